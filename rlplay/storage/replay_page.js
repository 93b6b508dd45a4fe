"use strict";

// What the page plays: the steps, how the score changed, and the board, as snake or as pictures.
const replay = JSON.parse(document.getElementById("replay").textContent);
const last = replay.length;
const part = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");

const STEPS_A_SECOND = 10;
const PLAY = "M7 4v16l13-8z";
const PAUSE = "M6 4h4v16H6zM14 4h4v16h-4z";

// [[step, value], ...] at which a value changes -> the value after each step.
function expand(changes) {
  const values = new Array(last + 1);
  changes.forEach(([from, value], index) => {
    values.fill(value, from, index + 1 < changes.length ? changes[index + 1][0] : last + 1);
  });
  return values;
}

const scores = expand(replay.scores);
const apples = replay.apples;

// The boards ------------------------------------------------------------------------------------

function snakeBoard(snake) {
  const canvas = part("canvas");
  const pen = canvas.getContext("2d");
  const lengths = expand(snake.lengths);
  const foods = expand(snake.foods);
  const size = snake.size;

  // The body is where the head was: `cells` in the order in which it entered them, and how many it
  // had entered after each step. A capital turns the head towards what it then hits.
  const cells = [snake.start];
  const entered = [1];
  const directions = [[1, 0]];
  const ways = { u: [0, -1], r: [1, 0], d: [0, 1], l: [-1, 0] };
  for (const move of snake.moves) {
    const way = ways[move.toLowerCase()];
    if (move !== move.toUpperCase()) {
      const [x, y] = cells[cells.length - 1];
      cells.push([x + way[0], y + way[1]]);
    }
    entered.push(cells.length);
    directions.push(way);
  }

  let colors = {};
  function readColors() {
    const style = getComputedStyle(canvas);
    for (const name of ["ground", "stripe", "head", "tail", "outline", "eye", "pupil", "apple",
      "shine", "leaf", "stem"]) {
      colors[name] = style.getPropertyValue(`--${name}`).trim();
    }
  }
  readColors();

  const channels = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  function between(one, other, share) {
    const [from, to] = [channels(one), channels(other)];
    return `rgb(${from.map((value, index) => Math.round(value + (to[index] - value) * share))})`;
  }

  function disc(x, y, radius, color) {
    pen.fillStyle = color;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
  }

  function line(points, width, color) {
    pen.strokeStyle = color;
    pen.lineWidth = width;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    points.forEach(([x, y], index) => (index ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.stroke();
  }

  function drawApple([x, y], cell) {
    const [across, down] = [(x + 0.5) * cell, (y + 0.55) * cell];
    const top = down - 0.3 * cell;
    disc(across, down, 0.34 * cell, colors.apple);
    disc(across - 0.11 * cell, down - 0.12 * cell, 0.09 * cell, colors.shine);
    line([[across, top + 0.04 * cell], [across + 0.03 * cell, top - 0.1 * cell]], 0.07 * cell,
      colors.stem);
    pen.fillStyle = colors.leaf;
    pen.beginPath();
    pen.ellipse(across + 0.15 * cell, top - 0.06 * cell, 0.13 * cell, 0.06 * cell, -0.5, 0,
      2 * Math.PI);
    pen.fill();
  }

  // A tube through the cells, whose colour fades from head to tail.
  function drawBody(points, cell) {
    if (points.length < 2) return;
    line(points, 0.84 * cell, colors.outline);
    const pieces = 48;
    const at = (place) => {
      const before = Math.min(Math.floor(place), points.length - 2);
      const share = place - before;
      return [0, 1].map((axis) =>
        points[before][axis] * (1 - share) + points[before + 1][axis] * share);
    };
    for (let piece = pieces - 1; piece >= 0; piece -= 1) {
      const [from, to] = [piece, piece + 1].map((end) => (end * (points.length - 1)) / pieces);
      const within = points.slice(Math.floor(from) + 1, Math.ceil(to));
      line([at(from), ...within, at(to)], 0.7 * cell,
        between(colors.head, colors.tail, piece / (pieces - 1)));
    }
  }

  function drawHead([x, y], [aheadX, aheadY], dead, cell) {
    disc(x, y, 0.47 * cell, colors.outline);
    disc(x, y, 0.4 * cell, colors.head);
    for (const side of [-1, 1]) {
      const place = (ahead) => [
        x + (ahead * aheadX - side * 0.19 * aheadY) * cell,
        y + (ahead * aheadY + side * 0.19 * aheadX) * cell,
      ];
      if (dead) {
        const [across, down] = place(0.13);
        const arm = 0.09 * cell;
        line([[across - arm, down - arm], [across + arm, down + arm]], 0.07 * cell, colors.eye);
        line([[across - arm, down + arm], [across + arm, down - arm]], 0.07 * cell, colors.eye);
      } else {
        disc(...place(0.13), 0.135 * cell, colors.eye);
        disc(...place(0.19), 0.07 * cell, colors.pupil);
      }
    }
  }

  function draw(step) {
    const cell = canvas.width / size;
    pen.fillStyle = colors.ground;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.fillStyle = colors.stripe;
    for (let odd = 1; odd < size; odd += 2) {
      pen.fillRect(0, odd * cell, canvas.width, cell);
      pen.fillRect(odd * cell, 0, cell, canvas.height);
    }
    if (foods[step]) drawApple(foods[step], cell);
    const body = cells.slice(entered[step] - lengths[step], entered[step]).reverse();
    const points = body.map(([x, y]) => [(x + 0.5) * cell, (y + 0.5) * cell]);
    drawBody(points, cell);
    drawHead(points[0], directions[step], snake.dead && step === last, cell);
  }

  canvas.hidden = false;
  new ResizeObserver(() => {
    canvas.width = canvas.height = Math.round(canvas.clientWidth * window.devicePixelRatio);
    draw(now);
  }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColors();
    draw(now);
  });
  return {
    draw,
    length: (step) => lengths[step],
    describe: (words) => canvas.setAttribute("aria-label", `The board. ${words}`),
  };
}

function pictureBoard(pictures) {
  const image = part("picture");
  const shown = expand(pictures.shown);
  image.width = pictures.width;
  image.height = pictures.height;
  image.classList.toggle("small", pictures.width < 300);
  image.hidden = false;
  return {
    draw: (step) => {
      image.src = `data:image/png;base64,${pictures.files[shown[step]]}`;
    },
    length: () => null,
    describe: (words) => {
      image.alt = `The board. ${words}`;
    },
  };
}

// The player ------------------------------------------------------------------------------------

let now = 0;
let playing = false;
const board = replay.snake ? snakeBoard(replay.snake) : pictureBoard(replay.pictures);

function describe() {
  let words = `Step ${number(now)} of ${number(last)}`;
  if (scores[now] !== null) words += `, score ${number(scores[now])}`;
  if (board.length(now) !== null) words += `, length ${number(board.length(now))}`;
  return now === last ? `${words}. ${replay.ending}.` : `${words}.`;
}

function show(step) {
  now = Math.min(Math.max(step, 0), last);
  board.draw(now);
  const words = describe();
  board.describe(words);
  part("slider").value = now;
  part("slider").setAttribute("aria-valuetext", words);
  part("slider").style.setProperty("--done", `${(100 * now) / last}%`);
  part("step").textContent = number(now);
  part("score").textContent = scores[now] === null ? "" : number(scores[now]);
  part("length").textContent = board.length(now) === null ? "" : number(board.length(now));
  part("ending-fact").classList.toggle("reached", now === last);
  // Not `disabled`, which would take the keyboard's focus away.
  const idle = (id, none) => part(id).setAttribute("aria-disabled", none);
  for (const id of ["first", "back"]) idle(id, now === 0);
  for (const id of ["ahead", "last"]) idle(id, now === last);
  idle("apple-back", previousApple() === now);
  idle("apple-ahead", nextApple() === now);
}

function setPlaying(wanted) {
  playing = wanted;
  part("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  part("play-sign").setAttribute("d", playing ? PAUSE : PLAY);
  if (!playing) return;
  if (now === last) show(0);
  let [before, due] = [performance.now(), 0];
  requestAnimationFrame(function tick(time) {
    if (!playing) return;
    // A page that was hidden goes on where it was.
    due += (Math.min(time - before, 250) / 1000) * STEPS_A_SECOND * Number(part("speed").value);
    before = Math.max(time, before);
    const whole = Math.max(0, Math.floor(due));
    due -= whole;
    if (whole) show(now + whole);
    if (now === last) {
      setPlaying(false);
      say();
    } else {
      requestAnimationFrame(tick);
    }
  });
}

// For those who hear the page: what a person asked for, not every step while it plays.
function say() {
  part("spoken").textContent = describe();
}

function go(step) {
  setPlaying(false);
  show(step);
  say();
}

function playOrPause() {
  setPlaying(!playing);
  if (!playing) say();
}

const previousApple = () => apples.findLast((apple) => apple < now) ?? now;
const nextApple = () => apples.find((apple) => apple > now) ?? now;

part("play").addEventListener("click", playOrPause);
part("first").addEventListener("click", () => go(0));
part("back").addEventListener("click", () => go(now - 1));
part("ahead").addEventListener("click", () => go(now + 1));
part("last").addEventListener("click", () => go(last));
part("apple-back").addEventListener("click", () => go(previousApple()));
part("apple-ahead").addEventListener("click", () => go(nextApple()));
part("slider").addEventListener("input", (event) => {
  setPlaying(false);
  show(Number(event.target.value));
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const on = event.target.tagName;
  // A list has its own keys, a button its own Space, the slider its own arrows.
  if (on === "SELECT" || (on === "BUTTON" && event.key === " ")) return;
  if (on === "INPUT" && event.key !== " " && !event.shiftKey) return;
  const actions = {
    " ": playOrPause,
    ArrowLeft: () => go(event.shiftKey ? previousApple() : now - 1),
    ArrowRight: () => go(event.shiftKey ? nextApple() : now + 1),
    Home: () => go(0),
    End: () => go(last),
  };
  if (Object.hasOwn(actions, event.key)) {
    event.preventDefault();
    actions[event.key]();
  }
});

part("slider").max = last;
part("steps").textContent = ` of ${number(last)}`;
part("ending").textContent = replay.ending;
part("score-fact").hidden = scores.every((score) => score === null);
part("length-fact").hidden = !replay.snake;
part("apple-buttons").hidden = part("apple-keys").hidden = !apples.length;
for (const word of document.querySelectorAll(".mark")) {
  word.textContent = replay.snake ? "apple" : "score";
}
part("marks").setAttribute("viewBox", `0 0 ${last} 1`);
part("ticks").setAttribute("d", apples.map((apple) => `M${apple} 0V1`).join(""));
show(0);
setPlaying(!matchMedia("(prefers-reduced-motion: reduce)").matches);
