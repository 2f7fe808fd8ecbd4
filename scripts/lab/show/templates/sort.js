// SPDX-License-Identifier: MIT
// Sorts report.html's tables; without it they stand in the order of the run. What a cell is sorted by is
// in data-v, worked out where the page was made; what has none goes last.
"use strict";
for (const table of document.querySelectorAll("table.sort")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const sign = now ? (now === "descending" ? 1 : -1) : at ? -1 : 1;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
      const value = row => row.cells[at].dataset.v;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const x = value(a), y = value(b);
        if (x === undefined || y === undefined)
          return x === y ? a.cells[at].textContent.localeCompare(b.cells[at].textContent) * sign
                         : x === undefined ? 1 : -1;
        return (x - y) * sign;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
