"""Writes crates/raremap-geo/src/epsg_horizontal.txt: the horizontal system of each compound and three-dimensional system of the EPSG
register, from the copy that rasterio carries.

    first last horizontal    the systems from `first` to `last` stand on those from `horizontal` on, one on each

Of a geographic system of three dimensions it is the one of two that has its datum, in degrees. Deprecated systems are there, since files are.

    python3 tests/golden/epsg_horizontal.py            # writes the file
    python3 tests/golden/epsg_horizontal.py --check    # makes it anew and compares
"""

import pathlib
import sqlite3
import sys

import rasterio

OUT = pathlib.Path(__file__).parents[2] / "crates/raremap-geo/src/epsg_horizontal.txt"
DATABASE = pathlib.Path(rasterio.__file__).parent / "proj_data" / "proj.db"
# GeoTIFF's codes have 16 bits, of which those from 32767 on are not EPSG's.
END = 32767

COMPOUND = """
    select code, horiz_crs_code from compound_crs where auth_name = 'EPSG' and horiz_crs_auth_name = 'EPSG'
"""
# Of several on one datum: of the same name, in use, in degrees (coordinate system 6422), the first.
GEOGRAPHIC = """
    select solid.code, flat.code from geodetic_crs solid join geodetic_crs flat
        on flat.datum_auth_name = solid.datum_auth_name and flat.datum_code = solid.datum_code
    where solid.auth_name = 'EPSG' and flat.auth_name = 'EPSG' and solid.type = 'geographic 3D' and flat.type = 'geographic 2D'
    order by solid.code, flat.name = solid.name, not flat.deprecated, flat.coordinate_system_code = 6422, -flat.code
"""


def lines():
    database = sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)
    # Of equal codes the last one stays.
    flat = {int(code): int(horizontal) for code, horizontal in database.execute(GEOGRAPHIC)}
    systems = {int(code): int(horizontal) for code, horizontal in database.execute(COMPOUND)}
    # A compound system may stand on one of three dimensions.
    systems = flat | {code: flat.get(horizontal, horizontal) for code, horizontal in systems.items()}
    systems = {code: horizontal for code, horizontal in systems.items() if code < END and horizontal < END}
    ranges = []
    for code in sorted(systems):
        if ranges and ranges[-1][1] == code - 1 and systems[code] - ranges[-1][2] == code - ranges[-1][0]:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, systems[code]])
    assert {code: to + code - first for first, last, to in ranges for code in range(first, last + 1)} == systems
    return [f"{first} {last} {to}" for first, last, to in ranges]


text = "\n".join(lines()) + "\n"
if "--check" in sys.argv:
    if OUT.read_text() != text:
        sys.exit(f"{OUT.name} is not what {DATABASE} has")
    print(f"{OUT.name}: {len(text.splitlines())} lines, as committed")
else:
    OUT.write_text(text)
