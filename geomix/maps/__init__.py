"""maps: where samples lie, in hexagons of equal area over the outlines of land; for the report and `geomix sample stats`."""
