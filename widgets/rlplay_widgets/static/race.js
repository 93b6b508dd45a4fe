// Who races, how fast, and from which seed on; the boards stand below as pictures of their own.

function render({ model, el }) {
  const root = make("div", "rlplay-race-head");
  const bar = make("div", "rlplay-race-bar");
  const lanes = make("div", "rlplay-race-lanes");
  const button = (words, title, click) => {
    const made = make("button", "rlplay-race-button", words);
    made.type = "button";
    made.title = title;
    made.onclick = click;
    return made;
  };
  const play = button("", "", () => model.send({ kind: "play", on: !model.get("playing") }));
  play.classList.add("rlplay-race-play");

  const pace = make("input");
  const rate = make("output");
  const fastest = Math.log10(model.get("fastest"));
  const pacing = make("label", "rlplay-smoothing", "Moves/s ");
  pace.type = "range";
  Object.assign(pace, { min: 0, max: fastest, step: 0.05, title: "Moves of each agent in a second" });
  pace.oninput = () => {
    rate.textContent = String(Math.round(10 ** pace.value));
    model.send({ kind: "pace", pace: 10 ** pace.value });
  };
  pacing.append(pace, rate);

  const seed = make("input", "rlplay-race-seed");
  const seeding = make("label", "", "Seed ");
  Object.assign(seed, { type: "number", min: 0, max: 2 ** 31 - 1, step: 1 });
  seed.title = "Of the first episode. The same seed gives the same episodes; another one begins the race anew";
  const begin = () => {
    const fine = seed.validity.valid && seed.value !== "";
    wrong.textContent = fine ? "" : "A seed is a whole number from 0 to 2\u202f147\u202f483\u202f647.";
    seed.setAttribute("aria-invalid", String(!fine));
    if (fine) model.send({ kind: "begin", seed: Number(seed.value) });
  };
  seed.onchange = begin;
  seed.onkeydown = (event) => event.stopPropagation();
  seed.onblur = () => {
    if (wrong.textContent) seed.value = String(model.get("seed"));
    wrong.textContent = "";
    seed.setAttribute("aria-invalid", "false");
  };
  const wrong = make("span", "rlplay-wrong-reason");
  wrong.setAttribute("role", "alert");
  seeding.append(seed);
  const again = button("↻", "Begin the race anew, with this seed", begin);
  again.setAttribute("aria-label", again.title);
  const less = button("–", "One agent less", () => model.send({ kind: "lanes", count: model.get("lanes").length - 1 }));
  const more = button("+", "One agent more", () => model.send({ kind: "lanes", count: model.get("lanes").length + 1 }));
  less.setAttribute("aria-label", less.title);
  more.setAttribute("aria-label", more.title);
  const counting = make("span", "rlplay-race-count");
  const counted = make("span");
  counting.append(less, counted, more);
  bar.append(play, pacing, seeding, again, wrong, counting);
  root.append(bar, lanes);
  el.append(root);

  // The selects of a lane are kept for as long as it is there: nothing closes while it is open.
  const choices = [];
  const lane = (at) => {
    const cell = make("div", "rlplay-race-who");
    const who = make("select", "rlplay-choice-of");
    const age = make("select", "rlplay-choice-of rlplay-race-age");
    who.setAttribute("aria-label", `Agent ${at + 1}`);
    age.setAttribute("aria-label", `Age of agent ${at + 1}`);
    const enter = (key, old) => model.send({ kind: "enter", lane: at, key, age: old });
    who.onchange = () => enter(who.value, null);
    age.onchange = () => enter(who.value, age.value === "" ? null : Number(age.value));
    cell.append(who, age);
    lanes.append(cell);
    return { cell, who, age, offered: "", aged: "" };
  };

  const fill = (select, groups, chosen) => {
    const option = ([value, words]) => {
      const made = make("option", "", words);
      made.value = value;
      return made;
    };
    select.replaceChildren(...groups.map(([label, entries]) => {
      if (!label) return entries.map(option);
      const group = make("optgroup");
      group.label = label;
      group.append(...entries.map(option));
      return [group];
    }).flat());
    select.value = chosen;
  };

  const draw = () => {
    const playing = model.get("playing");
    const now = model.get("lanes");
    play.textContent = playing ? "❚❚ Pause" : "▶ Race";
    play.title = playing ? "Stand still" : "Let them race";
    if (document.activeElement !== pace) {
      pace.value = Math.log10(model.get("pace"));
      rate.textContent = String(Math.round(model.get("pace")));
    }
    if (document.activeElement !== seed) seed.value = String(model.get("seed"));
    counted.textContent = `${now.length} agents`;
    less.disabled = now.length <= 2;
    more.disabled = now.length >= model.get("most");
    while (choices.length < now.length) choices.push(lane(choices.length));
    while (choices.length > now.length) choices.pop().cell.remove();
    const offers = model.get("offers");
    const names = [...new Set(offers.map(([, , group]) => group))];
    now.forEach(({ key, age, ages }, i) => {
      const choice = choices[i];
      if (choice.offered !== (choice.offered = JSON.stringify(offers))) {
        fill(choice.who, names.map((name) => [name, offers.filter(([, , group]) => group === name)]), key);
      }
      choice.who.value = key;
      choice.who.title = choice.who.selectedOptions[0]?.textContent ?? "";
      if (choice.aged !== (choice.aged = JSON.stringify(ages))) {
        fill(choice.age, [["", [["", "at its end"], ...ages]]], "");
      }
      choice.age.value = age ?? "";
      choice.age.hidden = ages.length === 0;
    });
  };

  const traits = ["offers", "lanes", "playing", "pace", "seed"].map((name) => `change:${name}`);
  for (const event of traits) model.on(event, draw);
  draw();
  return () => {
    for (const event of traits) model.off(event, draw);
  };
}

export default alive({ render });
