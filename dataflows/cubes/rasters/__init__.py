"""Published rasters: where they are read from and with which credentials, their headers, grids and tiles.

Imports no other package of cubes. What GDAL, virtual-tiff or a server needs to be told about a file is told here.
"""
