/* The shell's behaviour: keys, palette, lists, toasts, dialogs, times. One file, no imports.
   Everything is delegated from the document, so that no swap can disconnect it.
   What a page may write in its HTML is listed in backoffice/workbench/README.md. */
(() => {
  "use strict";

  const root = document.documentElement;
  const find = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const on = (name, act, options) => document.addEventListener(name, act, options);
  const shown = (element) => element.checkVisibility();
  const keysOff = () => root.classList.contains("no-single-keys");

  const store = {
    read(key) {
      try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; }
    },
    write(key, value) {
      try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* private window: no memory */ }
    },
    drop(key) { sessionStorage.removeItem(key); },
  };

  /* ---- htmx ---- */

  on("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = find('meta[name="csrf-token"]').content;
  });

  const PROBLEMS = {
    403: "You may not do this. Nothing was changed.",
    404: "It is not there any more.",
    409: "Someone changed this meanwhile. Look at the newest state first.",
  };

  on("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    toast({ level: "bad", text: PROBLEMS[status] || `That did not work (${status}). Reload the page to see what was saved.` });
  });
  on("htmx:sendError", (event) => {
    if (event.detail.requestConfig?.verb !== "get") toast({ level: "bad", text: "No connection. Nothing was sent." });
  });

  // What a swap has just brought or changed is worked before htmx has looked at it: a press on it
  // must not be lost, nor do what the button did before. Htmx looks again only where its attributes
  // are others: it would forget what is on its way, and send the same once more beside it.
  const looked = new WeakMap();
  const acts = (element) => [...element.attributes].filter(({ name }) => name.startsWith("hx-")).map(({ name, value }) => `${name}=${value}`).join(" ");
  on("htmx:afterProcessNode", ({ target }) => looked.set(target, acts(target)));
  on("click", (event) => {
    const button = event.target.closest?.("[hx-get], [hx-post]");
    if (button && looked.get(button) !== acts(button)) htmx.process(button);
  }, true);

  // Htmx takes an element whose attributes have changed for another, and forgets what it is sending,
  // what waits in its queue and the change it is about to send. Its own marks must not be such a
  // change: the body carries the one of a request, and an attribute without a value, which htmx
  // does not count, tells which element is busy.
  on("htmx:beforeSend", ({ detail }) => {
    detail.requestConfig.elt.setAttribute("data-busy", "");
    if (detail.target?.id === "dialog") unwanted = false;
  });
  on("htmx:afterRequest", ({ detail }) => detail.requestConfig.elt.removeAttribute("data-busy"));
  on("htmx:afterSwap", ({ target }) => target.classList?.remove(window.htmx.config.settlingClass));

  // Whatever a swap replaces, the focus comes back to the same id, else to the same row. Two answers
  // may come at once, so each keeps what it found.
  let holding = new WeakMap();
  on("htmx:beforeSwap", (event) => {
    const focused = document.activeElement;
    if (!event.detail.xhr || !focused || focused === document.body) return;
    const row = focused.closest("tr[data-id]");
    holding.set(event.detail.xhr, { id: focused.id, row: row?.dataset.id, place: rows().indexOf(row) });
  });
  on("htmx:afterSettle", (event) => {
    const held = event.detail.xhr && holding.get(event.detail.xhr);
    if (held && document.activeElement === document.body) {
      const target = (held.id && document.getElementById(held.id)) || (held.row && openLink(rowOf(held.row)));
      if (target) target.focus({ preventScroll: true });
      else if (held.place >= 0) leaveGap(held.place);
    }
    if (event.detail.target?.id === "detail") event.detail.target.removeAttribute("aria-busy");
    renewed();
  });
  // At once: a key pressed before what was asked for has settled is meant for it already.
  on("htmx:afterSwap", (event) => { if (event.detail.target?.id === "dialog") showDialog(); });
  on("htmx:afterRequest", (event) => {
    const box = event.detail.target;
    if (box?.id !== "dialog") return;
    early = "";
    if (event.detail.xhr?.status === 204) box.close();
  });
  on("dialog:close", () => find("#dialog")?.close());

  /* ---- dialogs, menus, rail, theme ---- */

  // What is typed while a dialog is on its way belongs into it, and presses nothing on the page.
  let early = "";
  // Esc sends away a dialog that is not there yet.
  let unwanted = false;
  const opening = () => !unwanted && Boolean(find('[data-busy][hx-get][hx-target="#dialog"]'));
  function typedEarly() {
    const typed = early;
    early = "";
    return typed;
  }

  function showDialog() {
    const box = find("#dialog");
    if (unwanted) { unwanted = false; box.replaceChildren(); return; }
    if (box.childElementCount && !box.open) box.showModal();
    const field = find("[autofocus], .has-error :is(input, select, textarea)", box) || find(".dialog-body :is(input:not([type=hidden]), select, textarea)", box);
    field?.focus();
    const typed = typedEarly();
    if (typed && field?.matches("input, textarea") && !field.value) {
      field.value = typed;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    // What has the focus already is not scrolled to by that, nor is what is wrong with it.
    field?.closest(".field")?.scrollIntoView({ block: "nearest" });
  }

  on("click", (event) => {
    const press = event.target.closest("[data-dialog], [data-close], [data-dismiss], [data-rail], [data-theme-set], [data-density-set]");
    if (event.target.matches?.("dialog") && event.target.open) {
      const box = event.target.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (!inside && (event.clientX || event.clientY)) event.target.close();
    }
    if (!press) return;
    const { dialog, themeSet, densitySet } = press.dataset;
    if (dialog === "palette") openPalette();
    else if (dialog === "keys") openKeys();
    else if (dialog) document.getElementById(dialog).showModal();
    if ("close" in press.dataset) press.closest("dialog").close();
    if ("dismiss" in press.dataset) press.closest(".toast").remove();
    if ("rail" in press.dataset) press.setAttribute("aria-expanded", find("#rail").classList.toggle("open"));
    if (densitySet) {
      root.dataset.density = densitySet;
      all("[data-density-set]").forEach((button) => button.setAttribute("aria-pressed", button === press));
    }
    if (themeSet) {
      if (themeSet === "system") delete root.dataset.theme;
      else root.dataset.theme = themeSet;
      all("[data-theme-set]").forEach((button) => button.setAttribute("aria-pressed", button === press));
    }
  });

  // A menu opens under its button, and above it where there is no room below.
  on("beforetoggle", (event) => {
    const menu = event.target;
    if (!menu.hasAttribute?.("popover") || event.newState !== "open") return;
    requestAnimationFrame(() => {
      const button = find(`[popovertarget="${menu.id}"]`);
      if (!button) return;
      const at = button.getBoundingClientRect();
      const size = menu.getBoundingClientRect();
      const below = at.bottom + 4 + size.height < innerHeight || at.top < size.height;
      menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
      menu.style.top = `${below ? at.bottom + 4 : at.top - size.height - 4}px`;
      find("input:not([type=hidden]), select", menu)?.focus();
    });
  }, true);

  // A form is sent once, however often its button is pressed.
  on("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method === "dialog") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    if (form.method === "post") { form.dataset.sent = "1"; setTimeout(() => delete form.dataset.sent, 4000); }
  });

  /* ---- toasts ---- */

  function toast({ text, level = "ok", undo = null }) {
    const box = document.createElement("div");
    box.className = `toast ${level}`;
    box.append(Object.assign(document.createElement("span"), { textContent: text }));
    if (undo) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "btn small", textContent: "Undo " });
      button.dataset.key = "z";
      button.append(Object.assign(document.createElement("kbd"), { className: "single", textContent: "Z" }));
      button.addEventListener("click", () => {
        box.remove();
        htmx.ajax("POST", undo.url, { values: undo.values || {}, swap: "none", source: document.body });
      });
      box.append(button);
    }
    const close = Object.assign(document.createElement("button"), { type: "button", className: "close", textContent: "×" });
    close.setAttribute("aria-label", "Close this message");
    close.addEventListener("click", () => box.remove());
    box.append(close);
    find("#toasts").append(box);
    if (level !== "bad") setTimeout(() => box.remove(), undo ? 10000 : 6000);
  }
  on("toast", (event) => toast(event.detail));
  setTimeout(() => all("#toasts > .toast:not(.error, .warning)").forEach((box) => box.remove()), 6000);

  /* ---- time ---- */

  function relative(date) {
    const seconds = (Date.now() - date) / 1000;
    const size = Math.abs(seconds);
    if (size < 45) return "just now";
    if (size >= 7 * 86400) return null;
    const days = Math.round(size / 86400);
    const words = size < 3600 ? `${Math.max(1, Math.round(size / 60))} min`
      : size < 86400 ? `${Math.round(size / 3600)} h` : `${days} day${days > 1 ? "s" : ""}`;
    return seconds > 0 ? `${words} ago` : `in ${words}`;
  }

  function renewTimes() {
    for (const time of all("time[data-relative]")) {
      const words = relative(new Date(time.dateTime));
      if (words && words !== time.textContent) time.textContent = words;
    }
  }

  let ticked = Date.now();
  function tick() {
    if (document.visibilityState !== "visible") return;
    ticked = Date.now();
    htmx.trigger(document.body, "ui:tick");
  }
  setInterval(tick, 20000);
  setInterval(renewTimes, 30000);
  on("visibilitychange", () => { if (Date.now() - ticked > 20000) { tick(); renewTimes(); } });

  /* ---- lists: the row one stands on, ticks, bulk ---- */

  const list = () => find("[data-list]");
  const rows = () => all("[data-list] tr[data-id]");
  const rowOf = (id) => find(`[data-list] tr[data-id="${CSS.escape(id)}"]`);
  const openLink = (row) => row && find("a[data-open]", row);
  const memory = () => `list:${list().dataset.list}`;
  const recall = () => store.read(memory()) || { path: list().dataset.path, ids: [], frozen: null };

  function remember(change) {
    const next = { ...recall(), ...change };
    store.write(memory(), next);
    showTicks();
  }

  // Where a row that has left the list stood: J goes on with the one that took its place.
  let gap = -1;
  const currentRow = () => document.activeElement?.closest?.("[data-list] tr[data-id]") || find("[data-list] tr.at-row");

  function stand(row) {
    all("[data-list] tr.at-row").forEach((other) => other !== row && other.classList.remove("at-row"));
    row.classList.add("at-row");
    store.write(`at:${list().dataset.list}`, row.dataset.id);
  }

  on("focusin", (event) => {
    const row = event.target.closest?.("[data-list] tr[data-id]");
    if (row) { gap = -1; stand(row); }
  });

  // The list keeps the focus, but no row of it: no key must act on one that nobody looked at.
  function leaveGap(place) {
    const area = find("#scroll");
    if (!area) return;
    area.tabIndex = -1;
    area.focus({ preventScroll: true });
    gap = place;
  }

  function move(step) {
    const every = rows();
    if (!every.length) return;
    const at = every.indexOf(currentRow());
    const next = at >= 0 ? at + step : gap < 0 ? 0 : step > 0 ? gap : gap - 1;
    const row = every[Math.max(0, Math.min(every.length - 1, next))];
    const link = openLink(row);
    const target = link || find("input", row) || row;
    if (target === row) row.tabIndex = -1;
    target.focus();
    row.scrollIntoView({ block: "nearest" });
    if (link?.dataset.peek) peekSoon(link);
  }

  let peekTimer = 0;
  // Until the pane shows the new row, keys must not act on the old one.
  function peekSoon(link) {
    clearTimeout(peekTimer);
    find("#detail")?.setAttribute("aria-busy", "true");
    peekTimer = setTimeout(() => peek(link), 130);
  }

  function peek(link) {
    clearTimeout(peekTimer);
    history.replaceState(history.state, "", link.href);
    store.write(`last:${list().dataset.path}`, link.href);
    all("[data-list] tr[aria-current]").forEach((row) => row.removeAttribute("aria-current"));
    link.closest("tr").setAttribute("aria-current", "true");
    htmx.ajax("GET", link.dataset.peek, { target: "#detail", swap: "innerHTML", source: link });
  }

  function showTicks() {
    const box = list();
    if (!box) return;
    const { ids, frozen } = recall();
    const known = new Set(ids);
    for (const row of rows()) {
      const tickBox = find("[data-tick]", row);
      const is = Boolean(frozen) || known.has(row.dataset.id);
      row.classList.toggle("ticked", is);
      if (tickBox) { tickBox.checked = is; tickBox.disabled = Boolean(frozen); }
    }
    const whole = find("[data-tick-all]");
    const on_page = rows().filter((row) => row.classList.contains("ticked")).length;
    if (whole) { whole.checked = on_page > 0 && on_page === rows().length; whole.indeterminate = on_page > 0 && !whole.checked; }
    const bar = find("#bulk");
    if (!bar) return;
    const count = frozen ? frozen.count : ids.length;
    bar.hidden = count === 0;
    const figure = count.toLocaleString("en-GB");
    find("[data-ticked]", bar).textContent = frozen ? `All ${figure} of this view, as of now` : `${figure} ticked`;
    all("[data-bulk-url]", bar).forEach((button) => { find("[data-n]", button).textContent = figure; });
    const freeze = find("[data-freeze]", bar);
    if (freeze) freeze.hidden = Boolean(frozen);
  }

  let lastTicked = null;
  function tickRow(row, is, through = false) {
    const every = rows();
    const { ids } = recall();
    const next = new Set(ids);
    let [from, to] = [every.indexOf(row), every.indexOf(row)];
    if (through && lastTicked && every.includes(lastTicked)) {
      const other = every.indexOf(lastTicked);
      [from, to] = [Math.min(from, other), Math.max(to, other)];
    }
    for (const each of every.slice(from, to + 1)) next[is ? "add" : "delete"](each.dataset.id);
    lastTicked = row;
    remember({ ids: [...next], frozen: null });
  }

  function tickPage(is) {
    const next = new Set(recall().ids);
    rows().forEach((row) => next[is ? "add" : "delete"](row.dataset.id));
    remember({ ids: [...next], frozen: null });
  }

  const clearTicks = () => { lastTicked = null; remember({ ids: [], frozen: null }); };

  async function freeze(button) {
    const answer = await fetch(button.dataset.freeze, {
      method: "POST", headers: { "X-CSRFToken": find('meta[name="csrf-token"]').content, Accept: "application/json" },
    });
    if (!answer.ok) { toast({ level: "bad", text: "The rows could not be fixed. Nothing is ticked." }); return; }
    const { id, count } = await answer.json();
    remember({ ids: [], frozen: { id, count } });
  }

  function bulk(button) {
    const { ids, frozen } = recall();
    const row = currentRow();
    const acting = ids.length || frozen ? ids : row ? [row.dataset.id] : [];
    if (!acting.length && !frozen) { toast({ level: "warn", text: "Tick rows first, or stand on one with J and K." }); return; }
    acting.forEach((id) => rowOf(id)?.classList.add("queued"));
    htmx.ajax("POST", button.dataset.bulkUrl, {
      values: { ids: acting.join(","), frozen: frozen ? frozen.id : "", back: location.pathname + location.search },
      target: "#dialog", swap: "innerHTML", source: button,
    });
  }

  on("change", (event) => {
    if (event.target.matches("[data-tick-all]")) tickPage(event.target.checked);
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  on("click", (event) => {
    const { target } = event;
    if (target.matches("[data-tick]")) { tickRow(target.closest("tr"), target.checked, event.shiftKey); return; }
    const press = target.closest("[data-freeze], [data-clear], [data-bulk-url]");
    if (press?.dataset.freeze) freeze(press);
    else if (press?.dataset.bulkUrl) bulk(press);
    else if (press) clearTicks();
    if (event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = target.closest("a[data-peek]");
    if (link) { event.preventDefault(); peek(link); return; }
    const row = target.closest("[data-list] tr[data-id]");
    if (row && !target.closest("a, button, input, label, select, summary") && !String(getSelection())) openLink(row)?.click();
  });

  // After an action of one's own the list is read again in place; ticks and focus stay.
  on("list:refresh", () => {
    all("tr.queued").forEach((row) => row.classList.remove("queued"));
    if (list()) htmx.ajax("GET", location.pathname + location.search, { target: "#list", swap: "morph:outerHTML", source: document.body });
  });
  // Reading the list again leaves what the pane and the tabs show where it is; new counts follow.
  let shownInPane = [];
  let counted = {};
  on("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id !== "list") return;
    shownInPane = [...(find("#detail")?.childNodes || [])];
    counted = Object.fromEntries(all("#views a[data-view]").map((tab) => [tab.dataset.view, find(".count", tab).textContent]));
  });
  on("htmx:afterSwap", (event) => {
    if (event.detail.target?.id !== "list") return;
    const pane = find("#detail");
    if (pane && !pane.childElementCount) pane.replaceChildren(...shownInPane);
    shownInPane = [];
    for (const tab of all("#views a[data-view]")) find(".count", tab).textContent ||= counted[tab.dataset.view] || "";
    htmx.trigger("#views", "ui:recount");
  });
  on("list:clear", () => { if (list()) clearTicks(); });
  on("close", (event) => {
    all("tr.queued").forEach((row) => row.classList.remove("queued"));
    if (event.target.id === "dialog") event.target.replaceChildren();
  }, true);

  /* ---- leaving and coming back ---- */

  const here = () => location.pathname + location.search;
  addEventListener("pagehide", () => {
    const area = find("#scroll");
    if (area) store.write(`scroll:${here()}`, area.scrollTop);
  });

  function arrive() {
    const kind = performance.getEntriesByType("navigation")[0]?.type;
    const back = store.read("back") === here() || kind === "back_forward" || kind === "reload";
    store.drop("back");
    // A list is left when a page outside it opens: its ticks go with it.
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith("list:") && !location.pathname.startsWith(store.read(key)?.path)) store.drop(key);
    }
    if (list()) store.write(`last:${list().dataset.path}`, here());
    if (!back) return;
    const area = find("#scroll");
    if (area) area.scrollTop = store.read(`scroll:${here()}`) || 0;
    const at = list() && store.read(`at:${list().dataset.list}`);
    const link = at && openLink(rowOf(at));
    if (link) link.focus({ preventScroll: true });
  }

  const kept = (field) => {
    if (field.matches('[type="checkbox"], [type="radio"]')) return field.checked === field.defaultChecked;
    if (!field.matches("select")) return field.value === field.defaultValue;
    const first = [...field.options].some((option) => option.defaultSelected);
    return [...field.options].every((option, at) => option.selected === (first || field.multiple ? option.defaultSelected : at === 0));
  };
  const typedHere = () => all('main form[method="post"] :is(input:not([type="hidden"]), textarea, select)').some((field) => !kept(field));

  // Esc never throws away what somebody typed and did not send.
  function goBack() {
    const link = find("[data-back]");
    if (!link) return false;
    if (typedHere()) {
      if (!find("#toasts .unsent")) toast({ level: "warn unsent", text: "What you typed here is not saved. Save it, or leave by a link." });
      return true;
    }
    const target = store.read(`last:${link.pathname}`) || link.getAttribute("href");
    store.write("back", target);
    location.assign(target);
    return true;
  }

  on("htmx:pushedIntoHistory", () => { if (list()) store.write(`last:${list().dataset.path}`, here()); });

  /* ---- palette and keys dialog ---- */

  const label = (element) => {
    const copy = element.cloneNode(true);
    all("kbd, svg, .visually-hidden, [data-n]", copy).forEach((part) => part.remove());
    return element.getAttribute("aria-label") || (element.labels?.[0]?.textContent || copy.textContent).replace(/\s+/g, " ").trim();
  };
  const keyed = () => all("main [data-key]").filter((element) => shown(element) && !element.disabled);

  function openPalette() {
    const box = find("#palette");
    if (!box || box.open) return;
    find("#rail-body")?.querySelectorAll(":popover-open").forEach((menu) => menu.hidePopover());
    box.showModal();
    const input = find("#palette-input");
    input.value = "";
    showActions("");
    htmx.trigger(input, "palette:open");
    input.focus();
  }

  function showActions(words) {
    const box = find("#palette-actions");
    box.replaceChildren();
    const fitting = keyed().filter((element) => label(element).toLowerCase().includes(words.toLowerCase())).slice(0, 8);
    if (!fitting.length) return;
    box.append(Object.assign(document.createElement("h2"), { textContent: "On this page" }));
    for (const element of fitting) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: label(element) });
      button.addEventListener("click", () => { find("#palette").close(); element.click(); });
      box.append(button);
    }
    markFirst();
  }

  const options = () => all("#palette .palette-results :is(a, button)");
  function markFirst() {
    const every = options();
    if (every.length && !every.some((option) => option.classList.contains("at"))) every[0].classList.add("at");
  }
  on("input", (event) => { if (event.target.id === "palette-input") showActions(event.target.value.trim()); });
  on("htmx:afterSwap", (event) => {
    if (event.detail.target?.id !== "palette-results") return;
    options().forEach((option) => option.classList.remove("at"));
    markFirst();
  });

  function paletteKey(event) {
    const every = options();
    const at = every.findIndex((option) => option.classList.contains("at"));
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && every.length) {
      event.preventDefault();
      every[at]?.classList.remove("at");
      const next = every[(at + step + every.length) % every.length];
      next.classList.add("at");
      next.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && every[at]) {
      event.preventDefault();
      every[at].click();
    }
  }

  // Each key once, what is to be seen before what is not: the first one is what the key presses.
  function keysHere() {
    const found = new Map();
    const every = all("main [data-key]").map((element) => [element, shown(element)]);
    for (const [element, seen] of every.sort((one, other) => other[1] - one[1])) {
      const words = label(element);
      const key = element.dataset.key.startsWith("mod+") ? element.dataset.key + words : element.dataset.key;
      const keys = element.dataset.key.replace("mod+", "Ctrl ").replace(/\b[a-z]/g, (letter) => letter.toUpperCase());
      if (words && !found.has(key) && (seen || element.dataset.bulkUrl)) found.set(key, [keys, words]);
    }
    return [...found.values()];
  }

  function openKeys() {
    const box = find("#keys");
    const here_list = find("#keys-here");
    if (!box) return;
    here_list.replaceChildren();
    const listed = list() ? [["J K", "next, previous row"], ["Enter", "open"], ["X", "tick"], ["Shift X", "tick through"], ["* A", "tick the page"], ["* N", "untick all"], ["1 … 9", "view"]] : [];
    for (const [keys, words] of [...listed, ...keysHere()]) {
      const term = document.createElement("dt");
      keys.split(" ").forEach((part) => term.append(Object.assign(document.createElement("kbd"), { textContent: part }), " "));
      here_list.append(term, Object.assign(document.createElement("dd"), { textContent: words }));
    }
    box.showModal();
  }

  /* ---- keys ---- */

  const TYPING = 'input:not([type="checkbox"], [type="radio"], [type="button"], [type="submit"]), textarea, select, [contenteditable]';
  let chord = "";
  let chordTimer = 0;

  function press(key) {
    const open = all("dialog[open]").pop();
    const area = open || document;
    const targets = all(`[data-key="${CSS.escape(key)}"]`, area).filter((element) => !element.disabled && element.ariaDisabled !== "true" && !element.closest('#detail[aria-busy="true"]'));
    // Ctrl Enter sends the form one types in.
    const form = document.activeElement?.form;
    const target = targets.find((element) => form && element.form === form && shown(element)) || targets.find(shown) || (currentRow() && targets.find((element) => element.dataset.bulkUrl));
    if (!target) return false;
    if (target.matches("input, textarea, select")) target.focus();
    else target.click();
    return true;
  }

  const LIST_KEYS = {
    j: () => move(1),
    k: () => move(-1),
    x: () => { const row = currentRow(); if (row) tickRow(row, !row.classList.contains("ticked")); },
    X: () => { const row = currentRow(); if (row) tickRow(row, true, true); },
    p: () => { const link = openLink(currentRow()); if (link?.dataset.peek) peek(link); },
  };

  function chordKey(key) {
    const first = chord;
    chord = "";
    if (first === "g") { const link = find(`[data-go="${CSS.escape(key)}"]`); if (link) location.assign(link.href); return Boolean(link); }
    if (list() && key === "a") { tickPage(true); return true; }
    if (list() && key === "n") { clearTicks(); return true; }
    return false;
  }

  function plainKey(event) {
    const { key } = event;
    if (chord) return chordKey(key);
    const modal = find("dialog[open]");
    if (press(key)) return true;
    if (modal) return false;
    if (key === "g" || (key === "*" && list())) {
      chord = key;
      clearTimeout(chordTimer);
      chordTimer = setTimeout(() => { chord = ""; }, 1500);
      return true;
    }
    if (key === "?") { openKeys(); return true; }
    if (key === "/") { const field = find("[data-find]"); if (field) { field.focus(); field.select(); } else openPalette(); return true; }
    if (list() && LIST_KEYS[key]) { LIST_KEYS[key](); return true; }
    if (/^[1-9]$/.test(key)) { const view = all("#views a[data-view]")[key - 1]; view?.click(); return Boolean(view); }
    return false;
  }

  function escapeKey(event) {
    if (find("dialog[open], :popover-open")) return;
    if (opening()) { early = ""; unwanted = true; event.preventDefault(); return; }
    // Left on purpose: a swap that is under way must not bring the focus back.
    if (event.target.matches(TYPING)) { holding = new WeakMap(); event.target.blur(); openLink(currentRow())?.focus(); event.preventDefault(); return; }
    if (goBack()) event.preventDefault();
  }

  on("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const { key } = event;
    const mod = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
    if (mod && key.toLowerCase() === "k") { event.preventDefault(); openPalette(); return; }
    if (mod && press(`mod+${key.toLowerCase()}`)) { event.preventDefault(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (find("#palette")?.open) { paletteKey(event); return; }
    if (key === "Escape") { escapeKey(event); return; }
    // A dialog that was just closed holds the focus for a moment more; nobody types there.
    const types = event.target.matches(TYPING) && !event.target.closest("dialog:not([open])");
    if (types) return;
    if (opening() && (key.length === 1 || key === "Enter")) {
      if (key.length === 1) early += key;
      event.preventDefault();
      return;
    }
    if (keysOff() || key.length > 1) return;
    if (plainKey(event)) event.preventDefault();
  });

  /* ---- start ---- */

  function renewed() {
    showTicks();
    renewTimes();
  }

  function start() {
    arrive();
    renewed();
  }
  if (document.readyState === "loading") on("DOMContentLoaded", start);
  else start();
})();
