"""maps: where samples lie, in hexagons of equal area over the outlines of land; what the report and `sample stats` draw with."""
