-- Shape_Area is in deg²: no reported area. No column is unique, so the content identifies a feature.
{{ observation("chn_med_res_pv_2024") }}
