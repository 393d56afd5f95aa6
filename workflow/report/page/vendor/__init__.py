"""Scripts as published: plotly.js-basic-dist-min 4.1.1 (MIT), 3Dmol 2.5.5 (BSD-3-Clause)."""
