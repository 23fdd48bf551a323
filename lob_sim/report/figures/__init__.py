"""What the figures of a run show, said once: drawn for the page by :mod:`lob_sim.report.panels.drawing` and for papers
by :mod:`lob_sim.report.static_drawing`."""
