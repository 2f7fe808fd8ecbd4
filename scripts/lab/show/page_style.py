# SPDX-License-Identifier: MIT
"""The look of report.html, and the few lines of script that sort its tables.

Everything is in the page: no font, style or script is fetched. Without JavaScript the tables
stand in the order of the run, and all else works.
"""

from __future__ import annotations

from . import theme

_CSS = """\
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--paper);color:var(--ink);
 font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main,header,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.75rem 0 .25rem;padding-top:.75rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.5rem 0 .4rem}
p{margin:.4rem 0}
.how,.shape,figcaption,.hint{color:var(--muted);font-size:.875rem;overflow-wrap:anywhere}
.warn{color:var(--bad);font-weight:600}
nav{display:flex;flex-wrap:wrap;gap:.3rem .4rem;margin:1rem 0}
nav a{padding:.15rem .6rem;border:1px solid var(--line);border-radius:1rem;color:var(--ink);
 text-decoration:none;font-size:.875rem;overflow-wrap:anywhere}
nav a:hover{background:var(--panel)}
a{color:var(--threads)}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:.4rem;margin:.4rem 0}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:.32rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
tbody tr:last-child>*{border-bottom:0}
thead th{background:var(--panel);font-weight:600;vertical-align:bottom}
th:first-child{text-align:left;position:sticky;left:0;background:var(--paper);font-weight:600}
thead th:first-child{background:var(--panel)}
td:last-child,thead th:last-child{text-align:left}
td.word{text-align:left;white-space:normal;min-width:12rem}
th button{all:unset;cursor:pointer}
th button:focus-visible{outline:2px solid var(--threads);outline-offset:2px}
th[aria-sort] button::after{content:" \\2193"}
th[aria-sort=ascending] button::after{content:" \\2191"}
tr.void>*{color:var(--muted)}
tr.void td:last-child{color:var(--bad);font-weight:600}
.key{display:inline-block;width:.6rem;height:.6rem;border-radius:.15rem;margin-right:.4rem}
.notes{margin:.4rem 0;padding-left:1.1rem;font-size:.875rem;color:var(--muted)}
.notes .reason{color:var(--bad)}
.notes li,.verdicts li{overflow-wrap:anywhere}
.verdict{margin:.5rem 0;padding:.5rem .75rem;background:var(--panel);border-radius:.4rem;
 overflow-wrap:anywhere}
.verdicts{padding-left:0;list-style:none}
.verdicts li{padding:.45rem .75rem;margin:.35rem 0;background:var(--panel);border-radius:.4rem}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,21.5rem),1fr));
 gap:.75rem;margin:.75rem 0;align-items:start}
figure{margin:0;padding:.5rem;border:1px solid var(--line);border-radius:.4rem;
 background:var(--paper)}
figure svg{display:block;width:100%;height:auto}
.wide{max-width:34rem}
details{margin:.4rem 0;font-size:.875rem}
summary{cursor:pointer;color:var(--muted)}
dl{display:grid;grid-template-columns:minmax(5rem,max-content) 1fr;gap:.3rem 1rem;margin:.6rem 0}
dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere}
pre{overflow-x:auto;padding:.75rem;background:var(--panel);border-radius:.4rem;
 font-size:.8125rem;line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere}
.PASS{color:var(--good);font-weight:600}
.FAIL{color:var(--bad);font-weight:600}
.VOID{color:var(--muted);font-weight:600}
footer{padding:2rem 1rem;color:var(--muted);font-size:.875rem}
.short small{display:none;font-weight:400;color:var(--muted)}
@media (max-width:40rem){.short small{display:block}.short :is(th,td):is(:nth-child(2),:nth-child(3))
 {display:none}.short :is(th,td){padding:.3rem .3rem;white-space:normal}.short td:last-child{white-space:nowrap}
 th:first-child{white-space:normal;
 min-width:8.4rem;max-width:44vw;overflow-wrap:anywhere}.word{min-width:9rem}}
@media print{nav,.hint{display:none}.scroll{overflow:visible}figure,tr{break-inside:avoid}}
"""

# Values to sort by are in data-v, worked out where the page was made; what has none goes last.
SCRIPT = """\
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
"""


def css() -> str:
    return theme.css() + _CSS
