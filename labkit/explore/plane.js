// The front end's half of plane.py: draws points, their fit and its residuals, and tells where a point is moved to.
const W = 560, H = 340, PAD = 24, STEP = 0.02, EVERY_MS = 60;

// Round numbers between two, about five of them.
function ticks(low, high) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at < high; at += step) found.push(at);
  return found;
}

function render({ model, el }) {
  const make = (name, attributes, parent) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.appendChild(made);
    return made;
  };
  const [x0, x1, y0, y1] = model.get("box");
  const wide = W - 2 * PAD, high = H - 2 * PAD;
  const right = x => PAD + (x - x0) / (x1 - x0) * wide, down = y => H - PAD - (y - y0) / (y1 - y0) * high;
  const xAt = px => x0 + (px - PAD) / wide * (x1 - x0), yAt = py => y0 + (H - PAD - py) / high * (y1 - y0);
  const clip = (v, least, most) => Math.min(most, Math.max(least, v));
  const round = v => Number(v.toPrecision(6));

  const svg = make("svg", { viewBox: `0 0 ${W} ${H}`, role: "group", "aria-label": "points to drag, and their fit" }, el);
  svg.style.cssText = "width:100%;max-width:44em;touch-action:none;border:1px solid currentColor;border-radius:4px";
  const scale = make("g", { fill: "currentColor", "font-size": 11, "font-family": "sans-serif", opacity: 0.7 }, svg);
  const number = (value, x, y, anchor) => {
    make("text", { x, y, "text-anchor": anchor }, scale).textContent = Number(value.toPrecision(3));
  };
  for (const x of ticks(x0, x1)) number(x, right(x), H - 4, "middle");
  for (const y of ticks(y0, y1)) number(y, 6, down(y) + 4, "start");
  const lines = make("g", { stroke: "#d55e00", "stroke-width": 1.5 }, svg);
  const curve = make("polyline", { fill: "none", stroke: "#0072b2", "stroke-width": 2.5 }, svg);
  const dots = make("g", {}, svg);
  const said = el.appendChild(document.createElement("p"));
  said.setAttribute("aria-live", "polite");
  let held = -1, moves = 0, last = 0;

  function draw() {
    const xs = model.get("xs"), ys = model.get("ys"), fitted = model.get("fitted");
    curve.setAttribute("points", model.get("curve").map(([x, y]) => `${right(x)},${down(y)}`).join(" "));
    lines.replaceChildren();
    xs.forEach((x, i) => {
      if (fitted.length) make("line", { x1: right(x), x2: right(x), y1: down(ys[i]), y2: down(fitted[i]) }, lines);
      if (i !== held) place(dots.children[i], x, ys[i]);
    });
    said.textContent = model.get("said");
  }
  function place(dot, x, y) {
    dot.setAttribute("cx", right(x));
    dot.setAttribute("cy", down(y));
  }
  function tell(i, x, y, done) {
    const now = performance.now();
    if (!done && now - last < EVERY_MS) return;
    last = now;
    model.set("moved", [i, round(x), round(y), done ? 1 : 0, ++moves]);
    model.save_changes();
  }
  function at(event) {
    const box = svg.getBoundingClientRect();
    const x = xAt((event.clientX - box.left) / box.width * W), y = yAt((event.clientY - box.top) / box.height * H);
    return [clip(x, x0, x1), clip(y, y0, y1)];
  }
  model.get("xs").forEach((_, i) => {
    const dot = make("circle", { r: 8, fill: "#0072b2", stroke: "white", "stroke-width": 1.5, tabindex: 0, role: "slider",
                                 "aria-label": `point ${i + 1}` }, dots);
    dot.style.cursor = "grab";
    dot.addEventListener("pointerdown", event => { held = i; dot.setPointerCapture(event.pointerId); event.preventDefault(); });
    dot.addEventListener("pointermove", event => {
      if (held !== i) return;
      const [x, y] = at(event);
      place(dot, x, y);
      tell(i, x, y, false);
    });
    const let_go = event => {
      if (held !== i) return;
      held = -1;
      tell(i, ...at(event), true);
    };
    dot.addEventListener("pointerup", let_go);
    dot.addEventListener("pointercancel", let_go);
    dot.addEventListener("keydown", event => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const x = clip(model.get("xs")[i] + step[0] * STEP * (x1 - x0), x0, x1);
      const y = clip(model.get("ys")[i] + step[1] * STEP * (y1 - y0), y0, y1);
      tell(i, x, y, true);
    });
  });
  draw();
  model.on("change", draw);
  return () => model.off("change", draw);
}
export default { render };
