"use strict";
// The table of jobs: searched, sorted and paged here, from the two JSON blocks of this page. Text is only ever set as text.
(() => {
  const PAGE = 50;
  const rows = JSON.parse(document.getElementById("data").textContent);
  const { columns, words, tones } = JSON.parse(document.getElementById("words").textContent);
  const at = Object.fromEntries(columns.map((column, index) => [column.name, index]));
  const value = (row, name) => {
    const raw = row[at[name]];
    return raw === null || raw === undefined ? "" : words[name] ? words[name][raw] : raw;
  };
  const byId = (id) => document.getElementById(id);
  const state = { query: "", ending: "", page: 0, sort: "", down: false, shown: [] };
  let texts = null;

  const pad = (number) => String(number).padStart(2, "0");
  const moment = (seconds) => {
    if (!seconds) return "";
    const t = new Date(seconds * 1000);
    return `${t.getUTCFullYear()}-${pad(t.getUTCMonth() + 1)}-${pad(t.getUTCDate())} ${pad(t.getUTCHours())}:${pad(t.getUTCMinutes())}:${pad(t.getUTCSeconds())}`;
  };
  const shown = (row, column) => {
    const raw = value(row, column.name);
    if (raw === "") return "";
    if (column.kind === "time") return moment(raw);
    if (column.kind === "money") return String(raw).replace(/\B(?=(\d{3})+(?=\.))/g, ",");
    return String(raw);
  };
  const make = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  };

  const searched = columns.filter((column) => column.kind !== "time");
  const textOf = (row) => searched.map((column) => value(row, column.name)).join("\u0000").toLowerCase();
  const select = () => {
    const terms = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    if (terms.length && !texts) texts = rows.map(textOf);
    const fits = [];
    for (let index = 0; index < rows.length; index += 1) {
      if (state.ending && value(rows[index], "ending") !== state.ending) continue;
      if (terms.length && !terms.every((term) => texts[index].includes(term))) continue;
      fits.push(index);
    }
    if (state.sort) {
      const column = columns[at[state.sort]];
      const isNumber = column.kind === "money" || column.kind === "time" || column.kind === "count";
      const keyOf = (index) => {
        const raw = value(rows[index], column.name);
        return isNumber ? (raw === "" ? -Infinity : Number(raw)) : String(raw);
      };
      const keys = [];
      for (const index of fits) keys[index] = keyOf(index);
      const order = state.down ? -1 : 1;
      fits.sort((a, b) => {
        const one = keys[a], other = keys[b];
        return (one < other ? -1 : one > other ? 1 : a - b) * order;
      });
    }
    if (!state.sort && state.query) {
      const exact = fits.findIndex((index) => value(rows[index], "key") === state.query);
      if (exact > 0) fits.unshift(...fits.splice(exact, 1));
    }
    state.shown = fits;
  };

  const detail = (row) => {
    const line = make("tr", undefined, "more");
    const cell = make("td");
    cell.colSpan = columns.filter((column) => column.inTable).length;
    const list = make("dl");
    for (const column of columns) {
      const text = shown(row, column);
      if (text !== "") list.append(make("dt", column.title), make("dd", text));
    }
    cell.append(list);
    line.append(cell);
    return line;
  };
  const line = (row) => {
    const element = make("tr", undefined, "job");
    element.tabIndex = 0;
    for (const column of columns) {
      if (!column.inTable) continue;
      const cell = make("td", undefined, column.kind === "money" || column.kind === "count" ? "number" : column.name === "key" ? "key" : "");
      if (column.name === "ending") {
        const ending = value(row, "ending");
        cell.append(make("span", ending, `pill ${tones[ending] || ""}`));
        const why = value(row, "why") || value(row, "mismatch");
        if (why) cell.append(make("span", String(why).replaceAll("_", " "), "why"));
      } else {
        cell.textContent = shown(row, column);
      }
      element.append(cell);
    }
    const toggle = () => {
      const next = element.nextElementSibling;
      if (next && next.className === "more") next.remove();
      else element.after(detail(row));
    };
    element.addEventListener("click", () => { if (!String(window.getSelection())) toggle(); });
    element.addEventListener("keydown", (event) => { if (event.key === "Enter") toggle(); });
    return element;
  };
  const draw = () => {
    const pages = Math.max(Math.ceil(state.shown.length / PAGE), 1);
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const from = state.page * PAGE;
    const part = state.shown.slice(from, from + PAGE);
    document.querySelector("#jobs tbody").replaceChildren(...part.map((index) => line(rows[index])));
    const total = rows.length.toLocaleString("en");
    const fits = state.shown.length.toLocaleString("en");
    byId("count").textContent = state.shown.length === rows.length ? `${total} jobs` : `${fits} of ${total} jobs`;
    byId("page").textContent = `page ${(state.page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`;
    byId("printed").textContent = `Jobs ${part.length ? from + 1 : 0} to ${from + part.length} of ${fits}${state.query ? ` that match "${state.query}"` : ""}; the CSV form of this report lists all ${total}.`;
    byId("first").disabled = byId("back").disabled = state.page === 0;
    byId("next").disabled = byId("last").disabled = state.page === pages - 1;
    for (const head of document.querySelectorAll("#jobs th")) {
      if (head.dataset.name === state.sort) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  };
  const refresh = () => { state.page = 0; select(); draw(); };
  const fromLink = () => {
    const link = new URLSearchParams(location.hash.slice(1));
    state.query = link.get("q") || "";
    state.ending = link.get("outcome") || "";
    byId("search").value = state.query;
    byId("ending").value = state.ending;
    refresh();
  };
  const toLink = () => {
    const link = new URLSearchParams();
    if (state.query) link.set("q", state.query);
    if (state.ending) link.set("outcome", state.ending);
    history.replaceState(null, "", `#${link}`);
  };

  for (const column of columns) {
    if (!column.inTable) continue;
    const head = make("th", column.title, column.kind === "money" || column.kind === "count" ? "number" : "");
    head.dataset.name = column.name;
    head.addEventListener("click", () => {
      state.down = state.sort === column.name ? !state.down : false;
      state.sort = column.name;
      refresh();
    });
    document.querySelector("#jobs thead tr").append(head);
  }
  for (const ending of words.ending) {
    const option = make("option", ending);
    option.value = ending;
    byId("ending").append(option);
  }
  let waiting = 0;
  byId("search").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.query = event.target.value; toLink(); refresh(); }, 150);
  });
  byId("ending").addEventListener("change", (event) => { state.ending = event.target.value; toLink(); refresh(); });
  const turn = (id, page) => byId(id).addEventListener("click", () => { state.page = page(); draw(); });
  turn("first", () => 0);
  turn("back", () => state.page - 1);
  turn("next", () => state.page + 1);
  turn("last", () => Infinity);
  window.addEventListener("hashchange", fromLink);
  fromLink();
  document.documentElement.dataset.ready = "yes";
})();
