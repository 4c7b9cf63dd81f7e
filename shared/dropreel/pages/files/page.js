// Plays the clips of one image in step, those of a folder while they are seen; copies sidecars.
// Without it, each clip still plays by itself.
"use strict";

const found = (selector) => [...document.querySelectorAll(selector)];
const play = (clip) => clip.play().catch(() => {}); // a phone that saves power may refuse
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

function playTogether(clips, button) {
  const good = () => clips.filter((clip) => !clip.error);
  const playing = () => good().filter((clip) => !clip.paused);
  const begun = (clip) => new Promise((done) => {
    if (clip.readyState >= 3 || clip.error) done();
    else ["canplay", "error"].forEach((name) => clip.addEventListener(name, done, { once: true }));
  });
  const restart = (some) => some.forEach((clip) => { clip.currentTime = 0; play(clip); });

  clips.forEach((clip) => {
    clip.loop = false; // the shorter ones wait for the longest
    clip.addEventListener("ended", () => {
      if (!playing().length) restart(good().filter((other) => other.ended));
    });
  });
  Promise.all(clips.map(begun)).then(() => { if (!calm) restart(good()); });
  setInterval(() => {
    const [first, ...others] = playing();
    others.filter((clip) => Math.abs(clip.currentTime - first.currentTime) > 0.12)
      .forEach((clip) => { clip.currentTime = first.currentTime; });
  }, 500);
  button.textContent = calm ? "Play" : "Pause";
  button.addEventListener("click", () => {
    const stopped = playing();
    stopped.forEach((clip) => clip.pause());
    if (!stopped.length) good().filter((clip) => !clip.ended).forEach(play);
    button.textContent = stopped.length ? "Play" : "Pause";
  });
}

function playWhileSeen(clips) {
  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => (
    entry.isIntersecting ? play(entry.target) : entry.target.pause()
  )), { threshold: 0.5 });
  clips.forEach((clip) => seen.observe(clip));
}

function copy(button) {
  const text = button.parentElement.querySelector("pre");
  const select = () => getSelection().selectAllChildren(text);
  const done = () => { button.textContent = "Copied"; };
  if (navigator.clipboard) navigator.clipboard.writeText(text.textContent).then(done, select);
  else select();
}

const clips = found("video");
if (calm) clips.forEach((clip) => { clip.autoplay = false; clip.pause(); });
const pause = document.querySelector("[data-pause]");
if (pause) playTogether(found("[data-together] video"), pause);
if (!calm) playWhileSeen(found("[data-in-view] video"));
found("[data-copy]").forEach((button) => button.addEventListener("click", () => copy(button)));
