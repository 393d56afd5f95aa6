"use strict";
// A map of structures by error and disagreement, and the chosen one in 3D.
whenNear(document.getElementById("explorer-map"), () => {
  const ARRAYS = { u1: Uint8Array, u2: Uint16Array, f4: Float32Array };
  const decoded = ({ dtype, bdata }) => {
    const bytes = Uint8Array.from(atob(bdata), (c) => c.charCodeAt(0));
    return new ARRAYS[dtype](bytes.buffer);
  };
  const byId = (name) => document.getElementById(`explorer-${name}`);
  const rungs = JSON.parse(byId("data").textContent).map((rung) =>
    Object.fromEntries(
      Object.entries(rung).map(([key, value]) => [key, value.bdata === undefined ? value : decoded(value)])
    )
  );
  const SYMBOLS = ("X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr " +
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe").split(" ");
  const COLORS = ["#3b82c4", "#e08a1e", "#2a9d6f", "#cf4a4a", "#8d6cc4", "#9a7b4f", "#d06aa8", "#8a8f98"];
  const SCALE = "Viridis";
  const UNIT = "kcal/mol/√atoms";
  let rung, order, place, viewer;

  function useLevel() {
    rung = rungs[Number(byId("level").value)];
    rung.first ??= rung.n_atoms.reduce((sums, n) => (sums.push(sums.at(-1) + n), sums), [0]);
    byId("note").textContent = `${rung.note} A click, or previous and next, chooses a structure.`;
    sort();
  }

  function sort() {
    const by = rung[byId("order").value];
    order = Array.from(by.keys()).sort((a, b) => by[b] - by[a]);
    place = 0;
    map();
    show();
  }

  function marker() {
    const by = byId("points").value;
    if (by === "set") return { color: Array.from(rung.held_out, (held) => COLORS[held ? 1 : 0]) };
    if (by === "molecule") return { color: Array.from(rung.molecule, (m) => COLORS[m % COLORS.length]) };
    return { color: Array.from(rung[by]), colorscale: SCALE, showscale: true, colorbar: { title: { text: UNIT, side: "right" }, thickness: 12 } };
  }

  function map() {
    const text = rung.id.map((_, i) => `${rung.molecules[rung.molecule[i]]}, ${rung.held_out[i] ? "held-out" : "training"}`);
    const chosen = order[place];
    const positive = (v) => Math.max(v, 1e-6);
    const data = [
      { type: "scatter", mode: "markers", x: Array.from(rung.disagreement, positive), y: Array.from(rung.error, positive),
        text, marker: { size: 7, opacity: 0.75, ...marker() }, showlegend: false },
      { type: "scatter", mode: "markers", x: [positive(rung.disagreement[chosen])], y: [positive(rung.error[chosen])],
        marker: { size: 16, symbol: "circle-open", line: { width: 3 }, color: "#cf4a4a" }, name: "chosen", hoverinfo: "skip", showlegend: false },
    ];
    const keys = byId("points").value === "set" ? [["training", 0], ["held-out", 1]]
      : byId("points").value === "molecule" ? rung.molecules.slice(0, COLORS.length).map((name, i) => [name, i]) : [];
    for (const [name, i] of keys) data.push({ type: "scatter", mode: "markers", x: [null], y: [null], name, marker: { color: COLORS[i] } });
    const layout = {
      xaxis: { title: { text: `disagreement, ${UNIT}` }, type: "log", exponentformat: "power", automargin: true },
      yaxis: { title: { text: `energy error, ${UNIT}` }, type: "log", exponentformat: "power", automargin: true },
    };
    return draw("explorer-map", data, layout);
  }

  function show() {
    const i = order[place];
    const [from, to] = [rung.first[i], rung.first[i + 1]];
    const by = byId("atoms").value;
    const values = by === "element" ? null : rung[by].subarray(from, to);
    const largest = values ? Math.max(...values) : 0;
    const missing = values && Number.isNaN(largest);
    byId("said").textContent =
      `${place + 1} of ${order.length}: ${rung.molecules[rung.molecule[i]]}, ${rung.held_out[i] ? "held-out" : "training"}; ` +
      `error ${rung.error[i].toPrecision(2)}, disagreement ${rung.disagreement[i].toPrecision(2)} ${UNIT}. Structure ${rung.id[i]}. ` +
      (missing ? "The label has no forces." : values ? `Red: ${largest.toPrecision(2)} kcal/mol/Å, white: 0.` : "");
    if (!viewer) return;
    let xyz = `${to - from}\n\n`;
    for (let a = from; a < to; a += 1) {
      xyz += `${SYMBOLS[rung.numbers[a]] ?? "X"} ${Array.from(rung.positions.subarray(3 * a, 3 * a + 3)).join(" ")}\n`;
    }
    viewer.removeAllModels();
    viewer.addModel(xyz, "xyz");
    const shade = (value) => {
      const rest = Math.round(255 * (1 - value / (largest || 1)));
      return (255 << 16) | (rest << 8) | rest;
    };
    const color = values && !missing ? { colorfunc: (atom) => shade(values[atom.index]) } : {};
    viewer.setStyle({}, { stick: { radius: 0.14, ...color }, sphere: { scale: 0.28, ...color } });
    viewer.zoomTo();
    viewer.render();
  }

  function step(by) {
    place = (place + by + order.length) % order.length;
    map();
    show();
  }

  rungs.forEach((one, i) => byId("level").add(new Option(one.level, i)));
  byId("level").value = String(rungs.length - 1);
  try {
    viewer = $3Dmol.createViewer(byId("view"), { backgroundAlpha: 0, disableFog: true });
  } catch {
    byId("view").textContent = "This browser cannot draw in 3D: WebGL is switched off.";
  }
  useLevel();
  byId("level").addEventListener("change", useLevel);
  byId("order").addEventListener("change", sort);
  byId("points").addEventListener("change", map);
  byId("atoms").addEventListener("change", show);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  document.getElementById("explorer-map").on("plotly_click", ({ points }) => {
    if (points[0].curveNumber !== 0) return;
    place = order.indexOf(points[0].pointNumber);
    map();
    show();
  });
});
