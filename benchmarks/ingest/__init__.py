"""Landing against ``geopandas.read_file`` + ``to_parquet``."""
