import pytest

from eo_pygeoapi.contract.ucum import ucum


@pytest.mark.parametrize(
    ("unit", "code"),
    [
        ("mm", "mm"),
        ("degC", "Cel"),
        ("", "1"),
        ("days", "d"),
        ("degC days", "Cel.d"),
        ("m s**-1", "m/s"),
        ("furlongs", ""),
    ],
)
def test_units_have_the_codes_of_ucum(unit: str, code: str) -> None:
    assert ucum(unit) == code
