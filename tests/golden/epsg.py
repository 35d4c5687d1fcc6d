"""Writes crates/raremap-geo/src/projection/epsg.txt: projected systems of the EPSG register (through pyproj's copy) that raremap
inverts, one a line:

    code[-last+step] method ellipsoid metres_per_unit latitude longitude parallel1 parallel2 scale easting northing

A geographic system has the method D and nothing behind its unit. Angles in degrees, easting and northing in metres; zeros at the end of a line are left out, as are absent parameters. The ellipsoid is
G (GRS 1980) or W (WGS 84). `first-last+step` stands for consecutive codes whose central meridians are `step` degrees apart. Left out
are deprecated systems, methods without a formula in projection/method.rs, prime meridians other than Greenwich, and datums that PROJ
does not take as WGS 84: those need a shift.

Run it with a Python that has pyproj:  python tests/golden/epsg.py > crates/raremap-geo/src/projection/epsg.txt
"""

import math
import sys
import warnings

from pyproj import CRS, Transformer
from pyproj.database import query_crs_info
from pyproj.enums import PJType

warnings.filterwarnings("ignore")

METHODS = {
    "Transverse Mercator": "T",
    "Lambert Conic Conformal (2SP)": "C2",
    "Lambert Conic Conformal (1SP)": "C1",
    "Albers Equal Area": "A",
    "Polar Stereographic (variant A)": "PA",
    "Polar Stereographic (variant B)": "PB",
    "Lambert Azimuthal Equal Area": "Z",
    "Oblique Stereographic": "O",
    "Mercator (variant A)": "MA",
    "Mercator (variant B)": "MB",
    "Popular Visualisation Pseudo Mercator": "W",
    "Lambert Cylindrical Equal Area": "E",
}
# Old datums stand on others; where PROJ knows no shift for one of them, it takes it as WGS 84 and is off by hundreds of metres.
ELLIPSOIDS = {(6378137.0, 298.257222101): "G", (6378137.0, 298.257223563): "W"}
# Which of latitude, longitude, parallel1, parallel2, scale, easting, northing a parameter is.
PLACES = {
    8801: 0, 8821: 0, 8802: 1, 8822: 1, 8833: 1, 8823: 2, 8832: 2, 8824: 3, 8805: 4, 8806: 5, 8826: 5, 8807: 6, 8827: 6,
}


def spell(value):
    text = f"{value:.11f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def is_wgs84(crs, place, cache={}):
    """Whether PROJ moves no point between this system's datum and WGS 84."""
    datum = crs.geodetic_crs.to_wkt()
    if datum not in cache:
        try:
            shift = Transformer.from_crs(crs.geodetic_crs, 4326, always_xy=True)
            lon, lat = shift.transform(*place)
            cache[datum] = abs(lon - place[0]) < 1e-9 and abs(lat - place[1]) < 1e-9
        except Exception:
            cache[datum] = False
    return cache[datum]


def row(code):
    crs = CRS.from_epsg(code)
    operation = crs.coordinate_operation
    method = METHODS.get(operation.method_name)
    axes = crs.axis_info
    if method is None or crs.prime_meridian.longitude != 0 or len({a.unit_conversion_factor for a in axes}) != 1:
        return None
    directions = {axis.direction for axis in axes}
    if directions - {"north", "east", "south"} or (method[0] not in "PZ" and "south" in directions):
        return None
    area = crs.area_of_use
    place = ((area.west + area.east) / 2 if area.west < area.east else 180.0, (area.south + area.north) / 2)
    if not is_wgs84(crs, place):
        return None
    values = [0.0] * 7
    for parameter in operation.params:
        code_of = int(parameter.code)
        # Angles become degrees, lengths metres, the scale stays.
        angle = math.degrees(parameter.unit_conversion_factor) if PLACES[code_of] < 4 else parameter.unit_conversion_factor
        values[PLACES[code_of]] = parameter.value * angle
    ellipsoid = crs.ellipsoid
    shape = ELLIPSOIDS.get((ellipsoid.semi_major_metre, round(ellipsoid.inverse_flattening, 9)))
    if shape is None:
        return None
    return [method, shape, repr(axes[0].unit_conversion_factor).removesuffix(".0")], [spell(value) for value in values]


def geographic():
    for info in query_crs_info("EPSG", pj_types=[PJType.GEOGRAPHIC_2D_CRS], allow_deprecated=False):
        crs = CRS.from_epsg(info.code)
        ellipsoid, area = crs.ellipsoid, crs.area_of_use
        shape = ELLIPSOIDS.get((ellipsoid.semi_major_metre, round(ellipsoid.inverse_flattening, 9)))
        degrees = {axis.unit_name for axis in crs.axis_info} == {"degree"} and crs.prime_meridian.longitude == 0
        place = ((area.west + area.east) / 2 if area.west < area.east else 180.0, (area.south + area.north) / 2)
        if shape and degrees and int(info.code) < 32767 and is_wgs84(crs, place):
            yield f"{info.code} D {shape} 1"


def main():
    rows = []
    for info in query_crs_info("EPSG", pj_types=[PJType.PROJECTED_CRS], allow_deprecated=False):
        if int(info.code) < 32767 and (found := row(int(info.code))):
            rows.append((int(info.code), *found))
    rows.sort(key=lambda entry: entry[0])
    lines = []
    index = 0
    while index < len(rows):
        code, head, values = rows[index]
        step, count = None, 1
        while index + count < len(rows):
            next_code, next_head, next_values = rows[index + count]
            difference = float(next_values[1]) - float(rows[index + count - 1][2][1])
            same = next_code == code + count and next_head == head
            same &= next_values[:1] + next_values[2:] == values[:1] + values[2:]
            if not same or (step is not None and difference != step) or difference not in (6.0, 3.0, 2.0, 1.0, -6.0):
                break
            step, count = difference, count + 1
        codes = str(code) if count == 1 else f"{code}-{code + count - 1}+{spell(step)}"
        while values and values[-1] == "0":
            values.pop()
        lines.append(" ".join([codes, *head, *values]))
        index += count
    lines += sorted(geographic())
    sys.stdout.write("\n".join(lines) + "\n")


main()
