"""Grids as the pipeline knows them: normalised axes, blocks along time, units of measure, periods cell by cell."""
