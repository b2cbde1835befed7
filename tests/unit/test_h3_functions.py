"""The H3 functions in SQL against the reference ``h3`` package and against the community extension's published results."""

import math
import threading

import duckdb
import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa
import pytest
import shapely
from h3 import H3BaseException
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from db.h3_functions import FUNCTIONS, register

CELL = 586265647244115967  # 822d57fffffffff, in the extension's own tests
PENTAGON = 594615896891195391  # 8408001ffffffff

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
resolutions = st.integers(0, 15)
pentagons = resolutions.flatmap(lambda res: st.sampled_from(h3.get_pentagons(res)))
cells = st.one_of(
    st.builds(h3.latlng_to_cell, latitudes, longitudes, resolutions),
    pentagons,
    pentagons.flatmap(lambda cell: st.sampled_from(h3.grid_disk(cell, 2))),
)


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as connection:
        assert register(connection) == "arrow"
        yield connection


def value(con, expression, *arguments):
    return con.execute(f"SELECT {expression}", arguments).fetchone()[0]


# Expected results copied from the test suite of https://github.com/isaacbrodsky/h3-duckdb (test/sql/h3)
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("h3_latlng_to_cell(0, 0, 1)", 583031433791012863),
        ("h3_latlng_to_cell(37.7752702151959, -122.418307270836, 9)", 0x8928308280FFFFF),
        ("h3_latlng_to_cell_string(0, 0, 1)", "81757ffffffffff"),
        ("h3_latlng_to_cell(0, 0, -1)", None),
        ("h3_latlng_to_cell(37.7752702151959, NULL, 9)", None),
        (
            "list_transform(h3_cell_to_latlng(h3_string_to_h3('85283473fffffff')), x -> round(x, 12))",
            [37.345793375368, -121.976375972551],
        ),
        ("h3_cell_to_latlng(18446744073709551615)", None),
        (
            "h3_cell_to_boundary_wkt(h3_string_to_h3('822d57fffffffff'))",
            "POLYGON ((38.777546 44.198571, 39.938746 42.736298, 42.150674 42.631271, 43.258395 44.047542, "
            "42.146575 45.539505, 39.897167 45.559577, 38.777546 44.198571))",
        ),
        (f"h3_get_resolution({CELL})", 2),
        ("h3_is_valid_cell(1234)", False),
        (f"h3_is_valid_cell({CELL})", True),
        ("h3_string_to_h3(',,,,,')", None),
        ("h3_h3_to_string(10000000000000000)", "2386f26fc10000"),
        (f"h3_cell_to_parent({CELL}, 1)", 581764796395814911),
        (f"h3_cell_to_parent({CELL}, -1)", None),
        ("h3_cell_to_parent(NULL, 0)", None),
        (f"h3_cell_to_center_child({CELL}, 4)", 595272305332977663),
        (f"h3_cell_to_center_child({CELL}, 0)", None),
        (f"h3_cell_to_children({CELL}, 3)", [590768765835149311 + i * 68719476736 for i in range(7)]),
        (f"h3_cell_to_children({CELL}, 30)", None),
        ("h3_compact_cells(h3_cell_to_children(581764796395814911, 2))", [581764796395814911]),
        ("h3_compact_cells([])", []),
        ("h3_uncompact_cells([581764796395814911]::UBIGINT[], 2)[1]", 586264547732488191),
        (f"h3_grid_disk({CELL}, 1)[1:3]", [CELL, 586260699441790975, 586244756523188223]),
        (f"len(h3_grid_disk({PENTAGON}, 1))", 6),
        (f"h3_grid_disk({PENTAGON}, -1)", None),
        (f"h3_grid_ring_unsafe({PENTAGON}, 1)", None),
        (
            f"list_sort(h3_grid_ring({PENTAGON}, 1))",
            [594615914071064575, 594615922660999167, 594615931250933759, 594615939840868351, 594615948430802943],
        ),
        ("h3_grid_distance(605035864166236159, 605034941150920703)", 5),
        ("h3_grid_distance(605035864166236159, 0)", None),
        ("len(h3_grid_path_cells(605035864166236159, 605034941150920703))", 6),
        ("h3_are_neighbor_cells(599686042433355775, 599686030622195711)", True),
        ("h3_are_neighbor_cells(599686042433355775, 599686029548453887)", False),
        (f"h3_cell_area({CELL}, 'km')", None),
        ("h3_get_num_cells(5)", 2016842),
    ],
)
def test_equals_the_published_results_of_the_extension(con, expression, expected):
    assert value(con, expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f"h3_cell_area({CELL}, 'km^2')", 85321.69572540345),
        ("h3_cell_area(h3_string_to_h3('8928308280fffff'), 'm^2')", 109398.18864648319),
        ("h3_great_circle_distance(5, 5, 15, 15, 'km')", 1559.5386031690684),
    ],
)
def test_measures_equal_the_published_results_of_the_extension(con, expression, expected):
    assert value(con, expression) == pytest.approx(expected, rel=1e-10)


BAY = box(-122.53401215374411, 37.70454536656959, -122.3479361380842, 37.81666158907579)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("center", {604189371075133439, 604189371209351167, 604189372417310719, 604189376175407103, 604189376309624831}),
        ("CONTAINMENT_FULL", {604189371209351167, 604189376309624831}),
        ("overlap", 12),
        ("overlap_bbox", 18),
    ],
)
@pytest.mark.parametrize("form", ["wkt", "wkb"])
def test_polygon_containment_modes_equal_the_published_results_of_the_extension(con, form, mode, expected):
    found = value(con, f"h3_polygon_{form}_to_cells_experimental($1, 6, $2)", getattr(BAY, form), mode)
    assert len(found) == len(set(found))
    assert set(found) == expected if isinstance(expected, set) else len(found) == expected
    strings = value(con, f"h3_polygon_{form}_to_cells_experimental_string($1, 6, $2)", getattr(BAY, form), mode)
    assert strings == [h3.int_to_str(cell) for cell in found]


@given(latitudes, longitudes, resolutions)
@example(90.0, 0.0, 15)
@example(-90.0, 180.0, 0)
@example(0.0, 180.0, 7)
@example(0.0, -180.0, 7)
@example(-0.0, -0.0, 15)
@settings(max_examples=200)
def test_indexing_equals_the_reference(con, lat, lng, res):
    cell = h3.latlng_to_cell(lat, lng, res)
    assert value(con, "h3_latlng_to_cell($1, $2, $3)", lat, lng, res) == cell
    assert value(con, "h3_latlng_to_cell_string($1, $2, $3)", lat, lng, res) == h3.int_to_str(cell)


@pytest.mark.parametrize("res", [0, 1, 5, 12, 15])
def test_points_on_cell_corners_go_where_the_reference_puts_them(con, res):
    # h3ronpy differs from H3 here in one point of five
    corners = [
        corner for cell in h3.get_pentagons(res) for near in h3.grid_disk(cell, 3) for corner in h3.cell_to_boundary(near)
    ]
    points = pa.table({"lat": [lat for lat, _ in corners], "lng": [lng for _, lng in corners]})  # noqa: F841 (DuckDB reads it)
    found = con.execute("SELECT h3_latlng_to_cell(lat, lng, $1) FROM points", [res]).fetchall()
    assert [cell for (cell,) in found] == [h3.latlng_to_cell(lat, lng, res) for lat, lng in corners]


@given(cells, resolutions)
@settings(max_examples=200)
def test_cell_functions_equal_the_reference(con, cell, res):
    row = con.execute(
        """
        SELECT h3_cell_to_latlng(c), h3_cell_to_lat(c), h3_cell_to_lng(c), h3_get_resolution(c), h3_is_pentagon(c),
            h3_is_valid_cell(c), h3_string_to_h3(h3_h3_to_string(c)), h3_get_base_cell_number(c), h3_is_res_class_iii(c),
            h3_cell_area(c, 'm^2'), h3_cell_to_parent(c, $2), h3_cell_to_center_child(c, $2)
        FROM (SELECT $1::UBIGINT AS c)
        """,
        [cell, res],
    ).fetchone()
    lat, lng = h3.cell_to_latlng(cell)
    own = h3.get_resolution(cell)
    assert row[0] == pytest.approx([lat, lng], abs=1e-9)
    assert row[1:9] == (
        lat,
        lng,
        own,
        h3.is_pentagon(cell),
        True,
        cell,
        h3.get_base_cell_number(cell),
        h3.is_res_class_III(cell),
    )
    assert row[9] == pytest.approx(h3.cell_area(cell, "m^2"), rel=1e-12)
    assert row[10] == (h3.cell_to_parent(cell, res) if res <= own else None)
    assert row[11] == (h3.cell_to_center_child(cell, res) if res >= own else None)


@given(cells)
@settings(max_examples=100)
def test_children_compact_to_their_parent_and_back(con, cell):
    res = h3.get_resolution(cell)
    children = value(con, "h3_cell_to_children($1::UBIGINT, $2)", cell, res + 1)
    if res == 15:
        assert children is None
    else:
        assert children == h3.cell_to_children(cell, res + 1)
        assert value(con, "h3_cell_to_children_size($1::UBIGINT, $2)", cell, res + 1) == len(children)
        assert value(con, "h3_compact_cells($1::UBIGINT[])", children) == [cell]
        assert value(con, "h3_uncompact_cells([$1::UBIGINT], $2)", cell, res + 1) == children


@given(cells, st.integers(0, 4))
@settings(max_examples=200)
def test_traversal_equals_the_reference(con, cell, k):
    disk = value(con, "h3_grid_disk($1::UBIGINT, $2)", cell, k)
    assert len(disk) == len(set(disk))
    assert set(disk) == set(h3.grid_disk(cell, k))
    assert set(value(con, "h3_grid_ring($1::UBIGINT, $2)", cell, k)) == set(h3.grid_ring(cell, k))
    far = disk[-1]
    try:
        distance = h3.grid_distance(cell, far)
    except H3BaseException:  # a pentagon is in between
        distance = None
    assert value(con, "h3_grid_distance($1::UBIGINT, $2::UBIGINT)", cell, far) == distance
    assert value(con, "h3_are_neighbor_cells($1::UBIGINT, $2::UBIGINT)", cell, far) == h3.are_neighbor_cells(cell, far)


@given(cells)
@settings(max_examples=100)
def test_boundary_is_that_of_the_reference(con, cell):
    corners = [(lng, lat) for lat, lng in h3.cell_to_boundary(cell)]
    wkt = shapely.from_wkt(value(con, "h3_cell_to_boundary_wkt($1::UBIGINT)", cell))
    np.testing.assert_allclose(wkt.exterior.coords, [*corners, corners[0]], atol=5.1e-7)
    wkb = shapely.from_wkb(value(con, "h3_cell_to_boundary_wkb($1::UBIGINT)", cell))
    assert list(wkb.exterior.coords) == [*corners, corners[0]]


@st.composite
def stars(draw):
    """Simple polygons of a few hundredths to a few degrees, anywhere but over a pole, with and without a hole."""
    lng, lat = draw(st.floats(-179, 179)), draw(st.floats(-75, 75))
    radii = draw(st.lists(st.floats(0.3, 1), min_size=4, max_size=12))
    scale = draw(st.floats(0.05, 0.9))
    angles = [2 * math.pi * i / len(radii) for i in range(len(radii))]
    shell = [(lng + scale * r * math.cos(a), lat + scale * r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]
    hole = [(lng + scale * 0.1 * math.cos(a), lat + scale * 0.1 * math.sin(a)) for a in angles]
    return shapely.Polygon(shell, [hole] if draw(st.booleans()) else None)


@given(stars(), st.integers(3, 6))
@example(shapely.Polygon([(179, -1), (-179, -1), (-179, 1), (179, 1)]), 4)  # over the antimeridian
@example(box(170, 0, 190, 10), 3)  # beyond it: h3ronpy does not return
@example(box(-180, 80, 180, 90), 2)
@example(box(-180, -90, 180, 90), 1)
@settings(max_examples=60)
def test_polygon_cover_equals_the_reference(con, polygon, res):
    expected = set(h3.h3shape_to_cells(h3.geo_to_h3shape(polygon), res))
    for form in ("wkt", "wkb"):
        found = value(
            con, f"h3_polygon_{form}_to_cells($1, $2)", shapely.to_wkt(polygon, -1) if form == "wkt" else polygon.wkb, res
        )
        assert len(found) == len(set(found))
        assert set(found) == expected


def test_multipolygons_are_covered_part_by_part_and_each_cell_stands_once(con):
    left, right = box(0, 0, 2, 2), box(1, 1, 3, 3)
    found = value(con, "h3_polygon_wkt_to_cells($1, 4)", shapely.MultiPolygon([left, right]).wkt)
    parts = [set(value(con, "h3_polygon_wkt_to_cells($1, 4)", part.wkt)) for part in (left, right)]
    assert len(found) == len(set(found))
    assert set(found) == parts[0] | parts[1]
    assert len(found) < len(parts[0]) + len(parts[1])


@pytest.mark.parametrize("wkt", ["POLYGON EMPTY", "MULTIPOLYGON EMPTY", "POINT (0 0)", "LINESTRING (0 0, 9 9)"])
def test_wkt_without_an_area_gives_an_empty_list(con, wkt):
    assert value(con, "h3_polygon_wkt_to_cells($1, 5)", wkt) == []


def test_heights_are_ignored(con):
    flat, high = "POLYGON ((0 0, 1 0, 1 1, 0 0))", "POLYGON Z ((0 0 5, 1 0 5, 1 1 5, 0 0 5))"
    assert value(con, "h3_polygon_wkt_to_cells($1, 6)", high) == value(con, "h3_polygon_wkt_to_cells($1, 6)", flat) != []


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("h3_polygon_wkt_to_cells('POLYGON ((0 0, 1', 5)", "ParseException"),
        ("h3_polygon_wkt_to_cells_experimental('POLYGON ((0 0, 1 1, 1 0, 0 0))', 5, 'touches')", "Invalid mode 'touches'"),
        ("h3_polygon_wkb_to_cells(from_hex('010100000000000000000000000000000000000000'), 5)", "not a Point"),
    ],
)
def test_malformed_polygons_and_modes_are_errors(con, expression, message):
    with pytest.raises(duckdb.InvalidInputException, match=message):
        value(con, expression)


@pytest.mark.parametrize("lat", [math.nan, math.inf, -math.inf])
def test_coordinates_that_are_not_finite_give_null(con, lat):
    assert value(con, "h3_latlng_to_cell($1, 0, 5)", lat) is None
    assert value(con, "h3_latlng_to_cell(0, $1, 5)", lat) is None


@pytest.mark.parametrize(("lat", "lng"), [(91, 0), (-100, 20), (0, 540), (1000, 1000)])
def test_coordinates_beyond_the_globe_wrap_as_in_the_reference(con, lat, lng):
    assert value(con, "h3_latlng_to_cell($1, $2, 5)", lat, lng) == h3.latlng_to_cell(lat, lng, 5)


@pytest.mark.parametrize("res", [-1, 16, 2_000_000_000])
def test_resolutions_that_do_not_exist_give_null(con, res):
    assert value(con, "h3_latlng_to_cell(0, 0, $1)", res) is None
    assert value(con, "h3_polygon_wkt_to_cells('POLYGON ((0 0, 1 0, 1 1, 0 0))', $1)", res) is None


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_null_in_any_argument_gives_null(con, name):
    parameters = FUNCTIONS[name].parameters
    sample = {
        "UBIGINT": str(CELL),
        "INTEGER": "3",
        "DOUBLE": "1.5",
        "UBIGINT[]": f"[{CELL}::UBIGINT]",
        "BLOB": "''::BLOB",
        "VARCHAR": "'km'",
    }
    for missing in range(len(parameters)):
        arguments = ["NULL" if i == missing else sample[str(parameter)] for i, parameter in enumerate(parameters)]
        assert value(con, f"{name}({', '.join(arguments)})") is None


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_no_rows_in_no_rows_out(con, name):
    arguments = ", ".join(f"NULL::{parameter}" for parameter in FUNCTIONS[name].parameters)
    assert con.execute(f"SELECT {name}({arguments}) FROM range(0)").fetchall() == []


@pytest.mark.parametrize("not_a_cell", [0, 123, 2**63, 2**64 - 1])
def test_integers_that_are_not_cells_give_null(con, not_a_cell):
    for call in (
        "h3_grid_disk($1, 1)",
        "h3_cell_to_latlng($1)",
        "h3_cell_to_parent($1, 1)",
        "h3_get_resolution($1)",
        "h3_cell_area($1, 'm^2')",
    ):
        assert value(con, call.replace("$1", f"{not_a_cell}::UBIGINT")) is None


def test_rows_with_nulls_rejects_and_several_resolutions_keep_their_places(con):
    rows = con.execute(
        f"""
        SELECT h3_grid_disk(c, k), h3_latlng_to_cell(lat, 20, k)
        FROM (VALUES
            ({CELL}::UBIGINT, 1, 10.0), (NULL, 1, 10.0), ({PENTAGON}, 0, NULL), (0, 2, 'nan'::DOUBLE), ({CELL}, 2, 30.0)
        ) t(c, k, lat)
        """
    ).fetchall()
    assert [disk and len(disk) for disk, _ in rows] == [7, None, 1, None, 19]
    assert rows[2][0] == [PENTAGON]
    expected = [h3.latlng_to_cell(10, 20, 1), h3.latlng_to_cell(10, 20, 1), None, None, h3.latlng_to_cell(30, 20, 2)]
    assert [cell for _, cell in rows] == expected


def test_a_hundred_thousand_points_at_every_resolution(con):
    random = np.random.default_rng(7)
    lat = np.degrees(np.arcsin(random.uniform(-1, 1, 100_000)))
    lng, res = random.uniform(-180, 180, 100_000), random.integers(0, 16, 100_000)
    points = pa.table({"lat": lat, "lng": lng, "res": res.astype("int32")})  # noqa: F841 (DuckDB reads it)
    found = con.execute("SELECT h3_latlng_to_cell(lat, lng, res) AS cell FROM points").fetchnumpy()["cell"]
    expected = [h3.latlng_to_cell(*point) for point in zip(lat.tolist(), lng.tolist(), res.tolist(), strict=True)]
    assert found.tolist() == expected


def test_functions_outlive_the_cursor_that_registered_them_and_any_default_database():
    with duckdb.connect() as con:
        with con.cursor() as cursor:
            register(cursor)
        con.execute("ATTACH ':memory:' AS lake; USE lake")
        assert value(con, f"h3_get_resolution({CELL})") == 2
        assert register(con) == register(con.cursor()) == "arrow"


def test_cursors_of_many_threads_register_and_query_at_once(tmp_path):
    outcomes = []
    with duckdb.connect(tmp_path / "lake.duckdb") as con:
        barrier = threading.Barrier(8)

        def work():
            with con.cursor() as cursor:
                barrier.wait()
                register(cursor)
                query = f"""
                    SELECT count(DISTINCT h3_latlng_to_cell(range / 1000, 5, 9)), sum(len(h3_grid_disk({CELL}::UBIGINT, 1)))
                    FROM range(5000)
                """
                outcomes.append(cursor.execute(query).fetchone())

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    distinct = len({h3.latlng_to_cell(i / 1000, 5, 9) for i in range(5000)})
    assert outcomes == [(distinct, 35_000)] * 8
