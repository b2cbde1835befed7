"""What an imagined satellite sees of Helia: Sentinel-2-like scenes as GeoTIFFs with a static STAC catalog, faults included."""

from dataflows.sample.imagery.catalog import CATALOG_FILE
from dataflows.sample.imagery.passes import COLLECTION
from dataflows.sample.imagery.publication import SceneFacts, publish_imagery

__all__ = ["CATALOG_FILE", "COLLECTION", "SceneFacts", "publish_imagery"]
