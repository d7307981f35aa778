/* The rule builder's own keys, focus and pickers. The server draws everything; this only presses
   its buttons. Delegated from the document like ui.js. */
(() => {
  "use strict";

  const on = (name, act, options) => document.addEventListener(name, act, options);
  const find = (selector, from = document) => from.querySelector(selector);
  const TYPING = 'input:not([type="checkbox"], [type="radio"], [type="button"], [type="submit"]), textarea, select';

  // What was typed and is not yet on its way to the server is never overwritten by an answer to
  // an earlier save; counts stay until newer ones arrive.
  const unsent = new Set();
  on("input", (event) => { if (event.target.form && !("unsaved" in event.target.dataset)) unsent.add(event.target); }, true);
  on("htmx:configRequest", (event) => {
    const form = event.detail.elt;
    if (form.id === "builder") {
      // A request may have waited in a queue: the button is the one of its own event.
      const button = event.detail.triggeringEvent?.submitter;
      if (button?.name) event.detail.parameters[button.name] = button.value;
      else delete event.detail.parameters.do;
      const part = event.detail.triggeringEvent?.type === "change" && stillAt();
      if (part) event.detail.parameters.fresh = `${event.detail.parameters.fresh || ""} ${part}`.trim();
    }
    for (const field of unsent) if (field.form === form || !field.isConnected) unsent.delete(field);
  });
  const morph = window.Idiomorph;
  if (morph) {
    morph.defaults.ignoreActiveValue = true;
    morph.defaults.callbacks.beforeNodeMorphed = (from) => !(from.nodeType === 1 && (from.hasAttribute("data-keep") || unsent.has(from) || from.matches("[popover]:popover-open")));
  }

  on("builder:focus", (event) => {
    const id = event.detail.id;
    const target = document.getElementById(id)
      || find(`[id^="${CSS.escape(id.replace(/-[^-]*$/, ""))}"]:is(select, input, textarea, button:not([disabled]))`);
    if (target && !target.disabled) target.focus();
  });

  /* ---- what was just added, or is being filled in, shows what it lacks once it is left ---- */

  // The part one stands in, while nothing is held against it.
  function stillAt() {
    const part = document.activeElement?.closest?.("#builder :is(.clause, .step)");
    return part && !find(".error", part) ? part.id.slice(2) : "";
  }
  // Nor does a screen reader say so before.
  on("htmx:afterSwap", () => {
    for (const field of document.querySelectorAll('[data-fresh] [aria-invalid="true"]')) {
      field.removeAttribute("aria-invalid");
      field.dataset.later = "";
    }
  });
  function leaveFresh(but) {
    for (const part of document.querySelectorAll("[data-fresh]")) {
      if (part.contains(but)) continue;
      for (const field of part.querySelectorAll("[data-later]")) {
        field.setAttribute("aria-invalid", "true");
        delete field.dataset.later;
      }
      const kept = find("#fresh");
      kept.value = kept.value.split(" ").filter((uid) => uid !== part.dataset.fresh).join(" ");
      part.removeAttribute("data-fresh");
    }
  }
  // What shows moves what stands below it: never between a press and its click.
  let pressed = false;
  on("pointerdown", () => { pressed = true; }, true);
  for (const name of ["pointerup", "pointercancel"]) {
    on(name, () => setTimeout(() => {
      pressed = false;
      if (!find("dialog[open], [popover]:popover-open")) leaveFresh(document.activeElement);
    }, 0), true);
  }
  on("focusin", (event) => { if (!pressed && !event.target.closest("dialog")) leaveFresh(event.target); });
  on("click", (event) => {
    const press = event.target.closest("[data-to-field]");
    if (!press) return;
    press.closest("dialog")?.close();
    const field = document.getElementById(press.dataset.toField);
    field?.scrollIntoView({ block: "center" });
    field?.focus();
  });

  /* ---- choosing in a select by typing: what is passed on the way is not meant ---- */

  let typed = 0;
  let held = null;
  let timer = 0;
  function settle() {
    clearTimeout(timer);
    const field = held;
    held = null;
    field?.dispatchEvent(new Event("change", { bubbles: true }));
  }
  on("keydown", (event) => {
    if (!event.target.matches?.("#builder select")) return;
    if (["Tab", "Enter", "Escape"].includes(event.key)) { if (held) settle(); typed = 0; } else typed = Date.now();
  }, true);
  on("change", (event) => {
    if (!event.isTrusted || Date.now() - typed > 1000 || !event.target.matches("#builder select")) return;
    event.stopPropagation();
    held = event.target;
    clearTimeout(timer);
    timer = setTimeout(settle, 450);
  }, true);
  on("focusout", (event) => { if (held && event.target === held) settle(); }, true);

  /* ---- keys on the part one stands on ---- */

  const node = (element) => element.closest?.("[data-node]");
  function pressOn(row, key) {
    const button = row.querySelector(`[data-node-key="${CSS.escape(key)}"]`);
    if (!button || button.disabled) return false;
    button.click();
    return true;
  }

  on("keydown", (event) => {
    if (event.defaultPrevented || event.altKey) return;
    const mod = event.ctrlKey || event.metaKey;
    if (mod && !event.shiftKey && event.key.toLowerCase() === "z" && !event.target.matches(TYPING)) {
      find("[data-builder-undo]:not([disabled])")?.click();
      event.preventDefault();
      return;
    }
    if (mod || find('dialog[open], [data-busy][hx-target="#dialog"]') || document.documentElement.classList.contains("no-single-keys")) return;
    const row = node(event.target);
    if (!row || event.target.matches(TYPING)) return;
    const key = event.key === "Backspace" ? "Delete" : event.key;
    if (pressOn(row, key)) event.preventDefault();
  }, true);

  on("click", (event) => {
    const press = event.target.closest("[data-insert], [data-variable], .menu button");
    if (!press) return;
    // The form is sent first, then the dialog goes.
    if (press.form?.id === "builder") setTimeout(() => press.closest("dialog")?.close(), 0);
    if (press.dataset.insert) openVariables(press);
    else if (press.dataset.variable) insert(press);
    else press.closest("[popover]")?.hidePopover();
  });

  on("click", (event) => {
    if (!event.target.closest("[data-first-problem]")) return;
    const place = find("#builder .has-error") || find("#builder .error")?.parentElement;
    find(TYPING, place || undefined)?.focus();
    place?.scrollIntoView({ block: "center" });
  });

  /* ---- fields inside texts ---- */

  let into = null;
  function openVariables(button) {
    into = document.getElementById(button.dataset.insert);
    const menu = document.getElementById(button.dataset.insertFrom);
    const at = button.getBoundingClientRect();
    menu.showPopover();
    const size = menu.getBoundingClientRect();
    menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(at.bottom + 4, innerHeight - size.height - 8))}px`;
    find("[data-filter]", menu).focus();
  }

  function insert(press) {
    const path = press.dataset.variable;
    press.closest("[popover]").hidePopover();
    if (!into) return;
    into.setRangeText(`{{ ${path} }}`, into.selectionStart ?? into.value.length, into.selectionEnd ?? into.value.length, "end");
    into.focus();
    for (const name of ["input", "change"]) into.dispatchEvent(new Event(name, { bubbles: true }));
  }

  /* ---- what an approver has looked at ---- */

  function countViewed() {
    const boxes = [...document.querySelectorAll("[data-viewed]")];
    const words = find("[data-viewed-count]");
    if (words && boxes.length) words.textContent = `${boxes.filter((box) => box.checked).length} of ${boxes.length} viewed`;
  }
  on("change", (event) => { if (event.target.matches("[data-viewed]")) countViewed(); });
  on("keydown", (event) => {
    if (event.key !== "v" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches(TYPING)) return;
    if (find("dialog[open]") || document.documentElement.classList.contains("no-single-keys")) return;
    const next = find("[data-viewed]:not(:checked)");
    if (!next) return;
    next.focus();
    next.checked = true;
    countViewed();
    event.preventDefault();
  });

  /* ---- finding in a list of buttons ---- */

  const choices = (list) => [...list.querySelectorAll("[data-words]")];
  const shown = (list) => choices(list).filter((button) => !button.hidden);

  on("input", (event) => {
    const list = event.target.dataset.filter && document.getElementById(event.target.dataset.filter);
    if (!list) return;
    const words = event.target.value.trim().toLowerCase().split(/\s+/);
    for (const button of choices(list)) button.hidden = !words.every((word) => button.dataset.words.includes(word));
    const none = find("[data-none]", list);
    if (none) none.hidden = shown(list).length > 0;
  });
  on("change", (event) => { if ("unsaved" in event.target.dataset) event.stopPropagation(); }, true);

  on("keydown", (event) => {
    const box = event.target.closest?.("dialog, [popover]");
    const field = box && find("[data-filter]", box);
    if (!field) return;
    const list = document.getElementById(field.dataset.filter);
    const every = shown(list);
    const at = every.indexOf(event.target);
    if (event.key === "ArrowDown") every[Math.min(every.length - 1, at + 1)]?.focus();
    else if (event.key === "ArrowUp") (at > 0 ? every[at - 1] : field).focus();
    else if (event.key === "Enter" && event.target === field) every[0]?.click();
    else return;
    event.preventDefault();
  }, true);
})();
