"""How the page looks: light and dark, wide and narrow. Fonts are the system's own: nothing is fetched."""

from __future__ import annotations

from typing import Any

from .charts import ACCENT

SYSTEM_FONTS = ("system-ui", "sans-serif")
MONO_FONTS = ("ui-monospace", "Consolas", "monospace")
CSS = """
/* What is there while a question is answered, and what is not (ask_page.py sets the class). */
body:not(.busy) #stop, body.busy #ask, body.busy #answer { display: none !important; }
footer, #chat .icon-button-wrapper { display: none !important; }

.facts, .good, .bad { margin: 0.2rem 0; font-size: 0.95rem; }
.good { color: var(--color-green-700, #15803d); }
.bad { color: var(--color-red-600, #dc2626); }
.dark .good { color: #4ade80; }
.dark .bad { color: #f87171; }

progress, meter { appearance: none; width: 9rem; height: 0.6rem; border: 0; vertical-align: middle;
  border-radius: 0.3rem; overflow: hidden; background: #80808040; }
meter { width: 5rem; }
progress::-webkit-progress-bar, meter::-webkit-meter-bar, meter::-webkit-meter-inner-element {
  background: #80808040; border: 0; border-radius: 0.3rem; height: 100%; }
progress::-webkit-progress-value, meter::-webkit-meter-optimum-value { background: ACCENT; }
progress::-moz-progress-bar, meter::-moz-meter-bar { background: ACCENT; }

#plot .altair, #plot .altair > div, #plot .vega-embed { width: 100%; }
#run-curves .prose, #look-picture .prose { overflow-x: auto; }
#run-curves svg { display: block; margin-bottom: 1rem; }
#run-curves svg, #look-picture svg { max-width: 100%; min-width: 40rem; height: auto; }
.dark #run-curves svg { filter: invert(1) hue-rotate(180deg); }  /* black on white, in the same hues */
#run-state pre { white-space: pre; overflow-x: auto; font-size: 0.85rem; }

th, th * { word-break: keep-all !important; overflow-wrap: normal !important; }
.cm-scroller { min-height: 3.5rem !important; }
body:not(.dark) .cm-line span { filter: brightness(0.7); }  /* its yellow on white is too pale to read */
@media (max-width: 768px) { #side { order: 2; } #title { margin-bottom: 0; } }
""".replace("ACCENT", ACCENT)


NAMES = """<script>
new MutationObserver(() => {
  for (const button of document.querySelectorAll('#chat button.icon-button[aria-label=""]'))
    button.setAttribute("aria-label", "Show or hide this step");
}).observe(document.documentElement, { childList: true, subtree: true });
</script>"""
"""Names, for who hears the page, of what Gradio leaves without."""


def theme() -> Any:
    from gradio.themes import Soft

    return Soft(primary_hue="teal", font=list(SYSTEM_FONTS), font_mono=list(MONO_FONTS))
