{{ observation("deu_osm_pv_2023", source_feature_id=text("id")) }}
