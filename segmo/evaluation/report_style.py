"""The style sheet of the report."""

STYLE = """
:root {
  --ink: #17202b; --soft: #5b6875; --line: #dfe5ec; --page: #f6f8fa; --card: #fff; --track: #e8edf2;
  --j: #1b7a73; --f: #5b7fd6; --found: #1ebea0; --extra: #ff9628; --missed: #e13cbe;
  --s0: #1b7a73; --s1: #45b3a6; --s2: #5b7fd6; --s3: #9db4ea; --s4: #c58b2b; --s5: #d0556f; --s6: #8d6cc4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6ebf1; --soft: #93a1b1; --line: #263040; --page: #0d1117; --card: #151b23; --track: #232c38;
    --j: #45b3a6; --f: #86a3ea; --s0: #26968b;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 ui-sans-serif, system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px; font-variant-numeric: tabular-nums; }
h1 { font-size: clamp(22px, 3vw, 30px); line-height: 1.2; letter-spacing: -.015em; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 0 0 4px; }
h3 { font-size: 16px; margin: 0; }
p { color: var(--soft); margin: 0 0 12px; }
a { color: inherit; }
.name { color: var(--j); font-weight: 700; margin: 0 0 4px; }
.tiles { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 12px; margin: 20px 0 0; }
.tiles div, section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.tiles div { padding: 12px 16px; }
dt { color: var(--soft); font-size: 13px; }
dd { margin: 0; font-size: clamp(20px, 3vw, 28px); font-weight: 650; line-height: 1.2; }
section { margin-top: 20px; padding: 20px; }
.keys { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; font-size: 13px; margin: 8px 0 12px; }
.key { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; }
.key.j, .bar.j i { background: var(--j); } .key.f, .bar.f i { background: var(--f); }
.key.found { background: var(--found); } .key.extra { background: var(--extra); } .key.missed { background: var(--missed); }
.bars { list-style: none; margin: 0; padding: 0; columns: 2; column-gap: 40px; }
.bars li { display: grid; grid-template-columns: minmax(96px, 150px) 1fr; gap: 12px; align-items: center; }
.bars li { padding: 7px 0; break-inside: avoid; }
.bars a { overflow-wrap: anywhere; line-height: 1.25; text-decoration-color: var(--line); text-underline-offset: 3px; }
.pair { display: grid; grid-template-columns: 1fr 40px; gap: 3px 8px; align-items: center; }
.bar { height: 9px; background: var(--track); border-radius: 5px; overflow: hidden; }
.bar i { display: block; height: 100%; border-radius: 5px; }
.pair b { font-size: 12px; line-height: 1; font-weight: 600; text-align: right; }
.scroll { overflow-x: auto; margin: 8px -20px -4px; padding: 0 20px 4px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: right; padding: 6px 0 6px 16px; border-top: 1px solid var(--line); white-space: nowrap; font-weight: 400; }
thead th { border: 0; color: var(--soft); font-size: 13px; }
tbody th { text-align: left; padding-left: 0; position: sticky; left: 0; background: var(--card); }
tbody tr:first-child > * { font-weight: 650; }
.stack { display: flex; gap: 2px; height: 22px; border-radius: 6px; overflow: hidden; }
.stack i { flex-basis: 0; min-width: 2px; }
.stages { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 12px 0 0; padding: 0; font-size: 14px; }
.s0 { background: var(--s0); } .s1 { background: var(--s1); } .s2 { background: var(--s2); } .s3 { background: var(--s3); }
.s4 { background: var(--s4); } .s5 { background: var(--s5); } .s6 { background: var(--s6); }
article { padding: 20px 0; border-top: 1px solid var(--line); scroll-margin-top: 12px; }
article:first-child { border: 0; padding-top: 4px; } article:last-child { padding-bottom: 0; }
article:target h3 { color: var(--j); }
.title { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 16px; align-items: baseline; }
.title span { color: var(--soft); }
svg { display: block; width: 100%; height: 64px; margin: 8px 0 14px; overflow: visible; }
svg * { fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
svg .grid { stroke: var(--line); } svg .j { stroke: var(--j); stroke-width: 1.8; } svg .f { stroke: var(--f); stroke-width: 1.3; }
.frames { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
figure { margin: 0; } img { display: block; width: 100%; height: auto; border-radius: 8px; background: var(--track); }
figcaption { color: var(--soft); font-size: 13px; margin-top: 6px; } figcaption b { color: var(--ink); }
@media (max-width: 720px) {
  main { padding: 20px 12px 40px; } section { padding: 16px; } .bars { columns: 1; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); } .frames { grid-template-columns: 1fr; }
  .scroll { margin: 8px -16px -4px; padding: 0 16px 4px; }
  tbody th { max-width: 34vw; overflow: hidden; text-overflow: ellipsis; }
}
"""
