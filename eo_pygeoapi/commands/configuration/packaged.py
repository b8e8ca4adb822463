"""The configuration file that the package brings: for `init`, and for `up` and `demo` where there is none.

It is the `pygeoapi-config.yml` of the repository; the build puts it into the wheel.
"""

from pathlib import Path

import eo_pygeoapi
from eo_pygeoapi.errors import ConfigError
from eo_pygeoapi.settings import DEFAULT_CONFIG


def packaged_config() -> Path:
    """Return the file inside the installed package; in a checkout it lies beside the package."""
    package = Path(eo_pygeoapi.__file__).parent
    installed = package / DEFAULT_CONFIG
    return installed if installed.exists() else package.parent / DEFAULT_CONFIG


def write_packaged(target: Path, force: bool = False) -> None:
    """Write the packaged file to `target`; ConfigError where there is a file already, unless `force`."""
    try:
        with target.open("wb" if force else "xb") as file:
            file.write(packaged_config().read_bytes())
    except FileExistsError as error:
        raise ConfigError(f"{target} is there already, and was left as it is; --force overwrites it") from error
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}") from error


def edited_or_packaged(config: Path) -> Path:
    """Return `config`, or the packaged file where `config` is the default one and does not exist."""
    return packaged_config() if config == DEFAULT_CONFIG and not config.exists() else config
