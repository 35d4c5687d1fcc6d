"""Writes crates/raremap-geo/src/epsg_units.txt: units of length of the EPSG register, and which projected systems are in them, from the
copy that rasterio carries.

    unit metres              a unit's code, and how many metres it is
    first last unit          the codes from `first` to `last` are projected systems in that unit, all of them

Deprecated systems are there, since files are.

    python3 tests/golden/epsg_units.py            # writes the file
    python3 tests/golden/epsg_units.py --check    # makes it anew and compares
"""

import pathlib
import sqlite3
import sys

import rasterio

OUT = pathlib.Path(__file__).parents[2] / "crates/raremap-geo/src/epsg_units.txt"
DATABASE = pathlib.Path(rasterio.__file__).parent / "proj_data" / "proj.db"
# GeoTIFF's codes have 16 bits, of which those from 32767 on are not EPSG's.
END = 32767

# Lengths by the time are of that type, too.
UNITS = """
    select code, conv_factor from unit_of_measure
        where auth_name = 'EPSG' and type = 'length' and name not like '% per %' order by code
"""
SYSTEMS = """
    select crs.code, axis.uom_code from projected_crs crs join axis on
        axis.coordinate_system_auth_name = crs.coordinate_system_auth_name and axis.coordinate_system_code = crs.coordinate_system_code
    where crs.auth_name = 'EPSG' and axis.uom_auth_name = 'EPSG' and axis.coordinate_system_order = 1
"""


def lines():
    database = sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)
    units = {int(code): float(metres) for code, metres in database.execute(UNITS)}
    systems = {int(code): int(unit) for code, unit in database.execute(SYSTEMS) if int(code) < END}
    ranges = []
    for code in sorted(systems):
        unit = systems[code]
        if ranges and ranges[-1][1:] == [code - 1, unit]:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, unit])
    assert {code: unit for first, last, unit in ranges for code in range(first, last + 1)} == systems
    assert set(systems.values()) <= set(units)
    return [f"{code} {metres!r}" for code, metres in units.items()] + [f"{first} {last} {unit}" for first, last, unit in ranges]


text = "\n".join(lines()) + "\n"
if "--check" in sys.argv:
    if OUT.read_text() != text:
        sys.exit(f"{OUT.name} is not what {DATABASE} has")
    print(f"{OUT.name}: {len(text.splitlines())} lines, as committed")
else:
    OUT.write_text(text)
