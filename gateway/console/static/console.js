"use strict";
// Times are shown in the reader's zone: the server reads it from this cookie.
document.cookie =
  "leasewire_zone=" +
  encodeURIComponent(Intl.DateTimeFormat().resolvedOptions().timeZone) +
  ";path=/console;max-age=31536000;samesite=lax";

// A page that says `data-live` is kept up to date: the server sends its parts when they changed.
function keepUpToDate(area) {
  const state = area.querySelector("[data-live-state]");
  let stream = null;
  function say(text) {
    if (state.textContent !== text) state.textContent = text;
  }
  function replace(part, html) {
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const href = focused && focused.getAttribute("href");
    const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    part.innerHTML = html;
    part.querySelectorAll(".scroll").forEach((box, n) => (box.scrollLeft = scrolled[n] || 0));
    if (!focused) return;
    const again = [...part.querySelectorAll("a, [tabindex]")].find((element) =>
      href ? element.getAttribute("href") === href
        : element.getAttribute("aria-label") === focused.getAttribute("aria-label"));
    if (again) again.focus({ preventScroll: true });
  }
  function open() {
    if (stream || document.hidden) return;
    stream = new EventSource(area.dataset.live);
    stream.onopen = () => say("This page is kept up to date.");
    stream.onerror = () => {
      say("Not up to date: the connection was lost. Reload the page if this lasts.");
      if (stream.readyState === EventSource.CLOSED) {
        close();
        setTimeout(open, 15000);
      }
    };
    stream.addEventListener("ended", () => {
      close();
      say("Not up to date: your session has ended. Reload the page to log in.");
    });
    area.querySelectorAll("[data-live-part]").forEach((part) => {
      stream.addEventListener(part.dataset.livePart, (event) => replace(part, event.data));
    });
  }
  function close() {
    if (stream) stream.close();
    stream = null;
  }
  // Browsers open few connections to one server: a page that nobody sees needs none.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  open();
}
document.querySelectorAll("[data-live]").forEach(keepUpToDate);
