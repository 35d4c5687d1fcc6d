"""Writes crates/raremap-raster/src/epsg_units.txt: the unit of length of every projected system of the EPSG register, from the copy that
rasterio carries. A line `first last unit` stands for the codes from `first` to `last`, none of which is anything but a projected system in
that unit (EPSG's code of it); codes between them that nothing is registered under are included. Deprecated systems are there, since files are.

    python3 tests/golden/epsg_units.py            # writes the file
    python3 tests/golden/epsg_units.py --check    # makes it anew and compares
"""

import pathlib
import sqlite3
import sys

import rasterio

OUT = pathlib.Path(__file__).parents[2] / "crates/raremap-raster/src/epsg_units.txt"
DATABASE = pathlib.Path(rasterio.__file__).parent / "proj_data" / "proj.db"

UNITS = """
    select crs.code, axis.uom_code from projected_crs crs join axis on
        axis.coordinate_system_auth_name = crs.coordinate_system_auth_name and axis.coordinate_system_code = crs.coordinate_system_code
    where crs.auth_name = 'EPSG' and axis.uom_auth_name = 'EPSG' and axis.coordinate_system_order = 1
"""


def lines():
    database = sqlite3.connect(f"file:{DATABASE}?mode=ro", uri=True)
    units = {int(code): int(unit) for code, unit in database.execute(UNITS)}
    every = sorted(int(code) for (code,) in database.execute("select code from crs_view where auth_name = 'EPSG'"))
    ranges = []
    for code in every:
        unit = units.get(code)
        if ranges and ranges[-1][2] == unit:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, unit])
    # GeoTIFF's codes have 16 bits, of which those from 32767 on are not EPSG's.
    return [f"{first} {last} {unit}" for first, last, unit in ranges if unit is not None and last < 32767]


text = "\n".join(lines()) + "\n"
if "--check" in sys.argv:
    if OUT.read_text() != text:
        sys.exit(f"{OUT.name} is not what {DATABASE} has")
    print(f"{OUT.name}: {len(text.splitlines())} ranges, as committed")
else:
    OUT.write_text(text)
