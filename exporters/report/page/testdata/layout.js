// Complaints about a page's layout, as sentences. Boxes are compared after layout, in pixels.
(() => {
  const complaints = [];
  const width = document.documentElement.clientWidth;
  const name = (el) => el.tagName.toLowerCase() + (el.id ? "#" + el.id : "") + (el.className && el.className.baseVal === undefined ? "." + el.className : "") + " “" + el.textContent.trim().slice(0, 40) + "”";
  const box = (el) => el.getBoundingClientRect();
  const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const pairs = (els, what) => {
    const boxes = els.map(box);
    for (let i = 0; i < els.length; i++)
      for (let j = i + 1; j < els.length; j++)
        if (!els[i].contains(els[j]) && !els[j].contains(els[i]) && overlap(boxes[i], boxes[j]))
          complaints.push(what + " overlap: " + name(els[i]) + " and " + name(els[j]));
  };
  if (document.documentElement.scrollWidth > width) complaints.push("the page is " + document.documentElement.scrollWidth + " wide, the window " + width);
  const blocks = [...document.querySelectorAll("h1,h2,h3,h4,p,.card,.chart,.frames,.frame,.legend,.scroll,pre,.fields>div,.bar,summary,nav")].filter((el) => box(el).height > 0 && el.checkVisibility());
  for (const el of blocks) {
    const b = box(el), scroller = el.closest(".scroll,.rows.wide .pan");
    if ((!scroller || scroller === el) && (b.left < -0.5 || b.right > width + 0.5)) complaints.push(name(el) + " leaves the page: " + b.left + " to " + b.right);
    if (el.matches("h1,h2,h3,h4,p,.card,.legend,.fields>div") && el.scrollWidth > el.clientWidth + 1 && getComputedStyle(el).display !== "inline") complaints.push(name(el) + " overflows by " + (el.scrollWidth - el.clientWidth));
  }
  pairs(blocks, "blocks");
  let level = 0;
  for (const h of document.querySelectorAll("h1,h2,h3,h4")) {
    if (Number(h.tagName[1]) > level + 1) complaints.push(name(h) + " leaves out a level");
    level = Number(h.tagName[1]);
  }
  const notes = [...document.querySelectorAll(".xlabel,.label,.legend,figcaption,.note")];
  for (const frame of document.querySelectorAll(".frame")) {
    const figure = frame.closest(".frames"), f = box(figure);
    const texts = [...frame.querySelectorAll("text")].filter((t) => t.checkVisibility());
    pairs(texts, "labels");
    const xs = texts.filter((t) => t.matches(".x")).sort((a, b) => box(a).left - box(b).left);
    for (let i = 1; i < xs.length; i++)
      if (box(xs[i]).left - box(xs[i - 1]).right < 2) complaints.push("labels " + xs[i - 1].textContent + " and " + xs[i].textContent + " run together");
    for (const t of texts) {
      const b = box(t);
      if (b.left < f.left - 1 || b.left < 0) complaints.push("label " + t.textContent + " leaves its picture on the left");
      if (b.right > f.left + figure.scrollWidth + 1) complaints.push("label " + t.textContent + " leaves its picture on the right");
      for (const n of notes) if (figure.parentElement.contains(n) && overlap(b, box(n))) complaints.push("label " + t.textContent + " overlaps " + name(n));
    }
  }
  return [...new Set(complaints)].slice(0, 20);
})()
