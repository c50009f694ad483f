"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  // One number with 4 digits and the prefix that suits it, as latlab prints one.
  const prefixes = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "u"], [1e-9, "n"]];
  const scaled = (x, unit) => {
    const [factor, prefix] = x === 0 ? [1, ""] : prefixes.find(([f]) => Math.abs(x) >= 0.99995 * f) ?? prefixes.at(-1);
    return (x === 0 ? "0" : (x / factor).toPrecision(4)) + " " + prefix + unit;
  };
  const time = (s) => (s === null ? "unknown" : scaled(s, "s"));

  // Networks by "sweep,row", as marks name them.
  const places = new Map();
  data.sweeps.forEach((s, i) => s.row.forEach((r, k) => places.set(i + "," + r, [s, k])));

  const words = (mark) => {
    if (mark.dataset.t) return mark.dataset.t;
    const at = places.get(mark.dataset.r);
    if (!at) return "";
    const [s, k] = at;
    const lines = [s.label[k]];
    let latency = s.kind.toUpperCase() + " " + time(s.latency_seconds[k]);
    if (s.low_seconds[k] !== null && s.high_seconds[k] !== null) latency += " (" + time(s.low_seconds[k]) + " to " + time(s.high_seconds[k]) + ")";
    lines.push(latency);
    s.predicted_seconds.forEach((p, m) => {
      if (p[k] === null) return;
      const off = 100 * (p[k] / s.latency_seconds[k] - 1);
      lines.push("predicted " + time(p[k]) + (s.cost_models.length > 1 ? " by " + s.cost_models[m] : "") + " (" + (off < 0 ? "" : "+") + off.toFixed(1) + " %)");
    });
    if (s.macs[k] !== null) lines.push(scaled(s.macs[k], " MACs"));
    lines.push(s.verdict[k] + (s.hottest_celsius[k] === null ? "" : ", hottest " + Number(s.hottest_celsius[k].toPrecision(3)) + " °C"));
    return lines.join("\n");
  };

  let current = null;
  const hide = () => {
    if (current) current.classList.remove("on");
    current = null;
    tip.hidden = true;
  };
  const show = (mark) => {
    if (mark === current) return;
    hide();
    const text = words(mark);
    if (!text) return;
    current = mark;
    mark.classList.add("on");
    tip.textContent = text;
    tip.hidden = false;
    const m = mark.getBoundingClientRect(), t = tip.getBoundingClientRect();
    const w = document.documentElement.clientWidth, gap = 10;
    let x = m.right + gap, y = m.top - t.height - gap;
    if (x + t.width > w - 4) x = m.left - gap - t.width;
    if (x < 4) x = Math.max(4, Math.min(w - t.width - 4, m.left + m.width / 2 - t.width / 2));
    if (y < 4) y = m.bottom + gap;
    tip.style.left = x + "px";
    tip.style.top = y + "px";
  };

  // A dot is a circle, or a path in an svg of its own that stands where it is.
  const dots = "circle[data-t],circle[data-r],path[data-t],path[data-r]";
  const across = (dot) => (dot.cx || dot.ownerSVGElement.x).baseVal.value;
  // Boxes as they are written, then dots from left to right, whatever lies on top.
  const marksOf = (el) => [...el.querySelectorAll(".frame")].flatMap((frame) => [
    ...frame.querySelectorAll("rect[data-t]"),
    ...[...frame.querySelectorAll(dots)].sort((a, b) => across(a) - across(b)),
  ]);
  // A finger and a small dot seldom meet: the nearest within reach is meant.
  const nearest = (frame, x, y, reach) => {
    let best = null, least = reach * reach;
    for (const m of frame.querySelectorAll(dots)) {
      const b = m.getBoundingClientRect();
      const dx = b.left + b.width / 2 - x, dy = b.top + b.height / 2 - y;
      const d = dx * dx + dy * dy;
      if (d < least) { least = d; best = m; }
    }
    return best;
  };
  const under = (e, reach) => {
    const hit = e.target.closest && e.target.closest("[data-t],[data-r]");
    if (hit) return hit;
    const frame = e.target.closest && e.target.closest(".frame");
    return frame ? nearest(frame, e.clientX, e.clientY, reach) : null;
  };
  let waiting = false;
  document.addEventListener("pointermove", (e) => {
    if (e.pointerType === "touch" || waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const m = under(e, 12);
      if (m) show(m); else hide();
    });
  });
  document.addEventListener("pointerdown", (e) => {
    if (e.pointerType !== "touch") return;
    const m = under(e, 24);
    if (m) show(m); else hide();
  });
  document.addEventListener("scroll", hide, { passive: true });

  const go = (mark) => {
    const a = mark.closest("a");
    if (a) location.hash = a.getAttribute("href");
  };
  // The first touch of a dot shows its value, the second follows it.
  let touched = null;
  document.addEventListener("click", (e) => {
    const a = e.target.closest && e.target.closest(".frame a");
    if (!a || e.pointerType !== "touch") return;
    if (touched !== a) e.preventDefault();
    touched = a;
  });
  document.querySelectorAll(".frames").forEach((el) => {
    let at = -1;
    el.addEventListener("keydown", (e) => {
      const marks = marksOf(el);
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
      if (step) at = (at + step + marks.length) % marks.length;
      else if (e.key === "Home") at = 0;
      else if (e.key === "End") at = marks.length - 1;
      else if (e.key === "Escape") { hide(); return; }
      else if (e.key === "Enter" && marks[at]) { go(marks[at]); return; }
      else return;
      e.preventDefault();
      if (marks[at]) show(marks[at]);
    });
    el.addEventListener("blur", hide);
  });

  // A row may be in a closed part, or behind its table's own header.
  const open = () => {
    const row = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const part = row && row.closest("details");
    if (!part) return;
    part.open = true;
    for (const why of row.querySelectorAll("details")) why.open = true;
    row.scrollIntoView({ block: "center" });
  };
  addEventListener("hashchange", open);
  open();

  const value = (row, i, text) => {
    const cell = row.cells[i];
    if (!cell) return text ? "" : NaN;
    if (text && cell.dataset.v === undefined) return cell.textContent.trim();
    const v = cell.dataset.v === undefined ? cell.textContent : cell.dataset.v;
    return v === "" ? NaN : Number(v.replaceAll(",", ""));
  };
  // Words as people count: layer2 before layer10.
  const order = new Intl.Collator(undefined, { numeric: true });
  document.querySelectorAll("table.sort").forEach((table) => {
    [...table.tHead.rows[0].cells].forEach((th, i) => {
      if (!th.textContent) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = th.textContent;
      th.replaceChildren(button);
      th.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const up = th.getAttribute("aria-sort") !== "ascending";
        const text = th.dataset.k === "text";
        for (const other of table.tHead.rows[0].cells) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
        th.setAttribute("aria-sort", up ? "ascending" : "descending");
        const body = table.tBodies[0];
        const keyed = [...body.rows].map((row) => ({ row, key: value(row, i, text) }));
        keyed.sort((a, b) => {
          if (typeof a.key === "string") return up ? order.compare(a.key, b.key) : order.compare(b.key, a.key);
          // Unknown ones come last, whichever way.
          if (Number.isNaN(a.key) || Number.isNaN(b.key)) return Number.isNaN(a.key) - Number.isNaN(b.key);
          return up ? a.key - b.key : b.key - a.key;
        });
        body.append(...keyed.map((k) => k.row));
      });
    });
  });
})();
