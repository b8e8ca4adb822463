"""Run by the system's Python, which has QGIS: opens `COLLECTION_URL NAME FEATURES_URL` and prints what it finds."""

import json
import sys
from typing import Any

from qgis.core import QgsApplication, QgsVectorLayer


def opened(source: str, provider: str) -> dict[str, Any]:
    layer = QgsVectorLayer(source, "layer", provider)
    if not layer.isValid():
        return {"valid": False, "source": source}
    features = list(layer.getFeatures())
    return {
        "valid": True,
        "count": len(features),
        "fields": [field.name() for field in layer.fields()],
        "areas": sum(not feature.geometry().isEmpty() for feature in features),
    }


def main() -> None:
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], False)
    application.initQgis()
    url, name, features = sys.argv[1:]
    found = {
        "collection": opened(f"url='{url}' typename='{name}'", "OAPIF"),
        "vsicurl": opened(f"/vsicurl/{features}", "ogr"),
        "url": opened(features, "ogr"),
    }
    print("\n" + json.dumps(found))
    application.exitQgis()


main()
