"""Raw reviews to prepared data sets: sources, formats, preparation, candidates, simulation, statistics."""
