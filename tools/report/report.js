// Finding examples by prompt, domain, side, level and words: all of them are on the page; nothing is loaded or kept.
"use strict";
(() => {
  const form = document.getElementById("find");
  if (!form) return;
  const told = document.getElementById("found");
  const places = document.getElementById("places");
  const wanted = ["prompt", "domain", "side", "level", "text"].map((name) => [name, form.elements[name]]);
  const examples = [...document.querySelectorAll(".example")].map((element) => ({
    element,
    about: element.dataset.about,
    prompt: element.dataset.prompt,
    domain: element.dataset.domain,
    text: element.querySelector(".prompt").textContent.toLowerCase(),
    answers: [...element.querySelectorAll(".answer")].map((answer) => ({
      element: answer,
      side: answer.dataset.side,
      level: answer.dataset.level,
      text: answer.textContent.toLowerCase(),
    })),
  }));
  const folded = [...document.querySelectorAll("details.more")];

  const show = () => {
    const want = Object.fromEntries(wanted.map(([name, field]) => [name, field ? field.value.trim() : ""]));
    const words = want.text.toLowerCase();
    const any = Object.values(want).some((value) => value !== "");
    const found = [];
    for (const one of examples) {
      const seen = one.answers.filter((answer) => !want.side || answer.side === want.side);
      const fits =
        (!want.prompt || one.prompt === want.prompt) &&
        (!want.domain || one.domain === want.domain) &&
        seen.length > 0 &&
        (!want.level || seen.some((answer) => answer.level === want.level)) &&
        (!words || one.text.includes(words) || seen.some((answer) => answer.text.includes(words)));
      one.element.hidden = !fits;
      for (const answer of one.answers) answer.element.hidden = !seen.includes(answer);
      if (fits) found.push(one);
    }
    for (const details of folded) details.open = any || details.dataset.opened === "yes";
    told.textContent = any ? `${found.length} of ${examples.length} examples` : `all ${examples.length} examples`;
    places.replaceChildren(...(any ? found.map(link) : []));
  };

  const link = (one) => {
    const item = document.createElement("li");
    const anchor = document.createElement("a");
    anchor.href = `#${one.element.id}`;
    anchor.textContent = `${one.about}: ${one.element.querySelector(".prompt bdi").textContent.slice(0, 80)}`;
    item.append(anchor);
    return item;
  };

  for (const details of folded) {
    details.querySelector("summary").addEventListener("click", () => {
      details.dataset.opened = details.open ? "" : "yes";
    });
  }
  form.addEventListener("input", show);
  form.addEventListener("reset", () => setTimeout(show));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
})();
