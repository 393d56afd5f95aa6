"use strict";
// Draws every figure that the page carries as JSON, in the colours of the page.
const dark = matchMedia("(prefers-color-scheme: dark)");

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const [text, line] = ["--text", "--line"].map((name) => style.getPropertyValue(name).trim());
  // Plotly's own titles are larger: on a phone they would be cut off.
  const title = (own) => ({ ...own?.title, font: { size: 13 } });
  const lines = { gridcolor: line, linecolor: line, zerolinecolor: line };
  const axis = (own) => ({ ...lines, ...own, title: title(own) });
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

// What is far below is drawn when the reader comes near it: the page opens sooner.
const NEAR_PX = 800;
const waiting = new Map();

function start(element) {
  const begin = waiting.get(element);
  waiting.delete(element);
  near.unobserve(element);
  begin?.();
}

const near = new IntersectionObserver(
  (seen) => seen.filter((one) => one.isIntersecting).forEach((one) => start(one.target)),
  { rootMargin: `${NEAR_PX}px` }
);

function whenNear(element, begin) {
  // What is near already needs no frame of the browser to be noticed.
  if (element.getBoundingClientRect().top < innerHeight + NEAR_PX) return begin();
  waiting.set(element, begin);
  return near.observe(element);
}

for (const script of document.querySelectorAll("script[data-plot]")) {
  whenNear(document.getElementById(script.dataset.plot), () => {
    const figure = JSON.parse(script.textContent);
    draw(script.dataset.plot, figure.data, figure.layout);
  });
}

addEventListener("beforeprint", () => [...waiting.keys()].forEach(start));

dark.addEventListener("change", () => {
  for (const [id, figure] of drawn) draw(id, figure.data, figure.layout);
});
