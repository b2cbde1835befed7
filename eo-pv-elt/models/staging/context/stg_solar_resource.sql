-- Pixels around PV, energies as sums of an average year
select
    'global_solar_atlas' as source,
    context_release as release,
    variable,
    value * per_year as value,
    lon_deg,
    lat_deg,
    pixel_width_deg,
    pixel_height_deg
from {{ ref("raw_global_solar_atlas") }}
-- files of neighbouring countries overlap: of one pixel, the one of the file that comes first
qualify row_number() over (
    partition by variable, round(lon_deg, 6), round(lat_deg, 6), round(pixel_width_deg, 6) order by source_file, source_row
) = 1
