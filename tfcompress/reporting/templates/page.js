// Shows what a point is when it is pointed at, touched or reached by the keyboard; without scripts, <title> does.
const tip = document.getElementById("tip");
function show(mark) {
  const place = mark.getBoundingClientRect();
  tip.textContent = mark.dataset.tip;
  tip.hidden = false;
  const left = Math.min(place.right + 8, window.innerWidth - tip.offsetWidth - 8);
  const above = place.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${above > 8 ? above : place.bottom + 8}px`;
}
for (const mark of document.querySelectorAll("[data-tip]")) {
  for (const event of ["pointerenter", "focus", "click"]) mark.addEventListener(event, () => show(mark));
  for (const event of ["pointerleave", "blur"]) mark.addEventListener(event, () => { tip.hidden = true; });
}
