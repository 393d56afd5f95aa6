"use strict";
// Draws every figure that the page carries as JSON, in the colours of the page.
const dark = matchMedia("(prefers-color-scheme: dark)");

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const [text, line] = ["--text", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axis = (own) => ({ gridcolor: line, linecolor: line, zerolinecolor: line, ...own });
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: text, size: 13, family: "system-ui, sans-serif" },
    margin: { l: 56, r: 16, t: 8, b: 48 },
    legend: { orientation: "h", y: 1, yanchor: "bottom", x: 0 },
    showlegend: true,
    hovermode: "closest",
    dragmode: false,
    ...layout,
    xaxis: axis(layout.xaxis),
    yaxis: axis(layout.yaxis),
  };
}

const drawn = new Map();

function draw(id, data, layout) {
  drawn.set(id, { data, layout });
  const config = { responsive: true, displaylogo: false, displayModeBar: false };
  return Plotly.react(id, data, themed(layout), config);
}

for (const script of document.querySelectorAll("script[data-plot]")) {
  const figure = JSON.parse(script.textContent);
  draw(script.dataset.plot, figure.data, figure.layout);
}

dark.addEventListener("change", () => {
  for (const [id, figure] of drawn) draw(id, figure.data, figure.layout);
});
