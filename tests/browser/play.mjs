// Plays packages in a real browser and says, as JSON, what was seen. Called by test_players.py:
//   node play.mjs '{"browser": …, "page": …, "plays": [{"as": …, "kind": "Hls", "url": …}], "seeks": …}'
// It judges nothing. All waiting is for something to happen, never for time to pass.
import { createRequire } from "node:module";

const asked = JSON.parse(process.argv[2]);
const { chromium } = createRequire(`${asked.modules}/`)("playwright-core");
const QUIET = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

/** All that is asked, of one player; each part on a page of its own, which has nothing of the other's. */
async function play(browser, each) {
  const seen = { duration: null, heights: [], seeks: [], errors: [] };
  for (const part of [explore, end]) {
    const page = await open(browser, each, seen);
    try {
      await begin(page);
      await part(page, seen);
    } catch (error) {
      seen.errors.push(String(error));
      seen.state = await page.evaluate(() => ({
        at: video.currentTime, ready: video.readyState, height: video.videoHeight, paused: video.paused,
        buffered: [...Array(video.buffered.length).keys()].map((n) => [
          video.buffered.start(n), video.buffered.end(n),
        ]),
      }));
    }
    seen.errors.push(...await page.evaluate(() => errors));
    await page.close();
  }
  return seen;
}

async function open(browser, { kind, url }, { errors }) {
  const page = await browser.newPage();
  page.setDefaultTimeout(asked.patienceSeconds * 1000);
  page.on("response", (response) => response.status() >= 400 && errors.push(response.url()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(asked.page);
  await page.evaluate(([kind, url]) => { window.player = window[`open${kind}`](url); }, [kind, url]);
  return page;
}

async function begin(page) {
  await page.waitForFunction(() => video.readyState >= 3);
  await page.evaluate(() => { video.play(); });
  await page.waitForFunction(() => video.currentTime > 0);
}

/** What there is to choose, each choice, and jumps. */
async function explore(page, seen) {
  Object.assign(seen, await page.evaluate(() => ({
    duration: video.duration,
    renditions: player.renditions(),
    sounds: player.sounds(),
    texts: player.texts(),
  })));
  for (const height of [...new Set(seen.renditions)].sort((a, b) => a - b)) {
    await page.evaluate((height) => player.choose(height), height);
    await page.waitForFunction((height) => video.videoHeight === height, height);
    seen.heights.push(height);
  }
  if (seen.sounds.length > 1) {
    await page.evaluate((language) => player.listen(language), seen.sounds.at(-1));
    await page.waitForFunction((language) => player.heard() === language, seen.sounds.at(-1));
  }
  if (seen.texts.length) await page.evaluate(() => player.read());
  for (const seconds of asked.seeks) seen.seeks.push(await seek(page, seconds, seen.texts));
}

/** The last second. After many jumps and switches dash.js forgets, at times, to say that all has come. */
async function end(page, seen) {
  await seek(page, asked.lastSeek, []);
  await page.waitForFunction(() => endedAt !== null);
  Object.assign(seen, await page.evaluate(() => ({
    endedAt,
    soundBytes: video.webkitAudioDecodedByteCount,
  })));
}

/** Jump, and look at what is on screen before going on. */
async function seek(page, seconds, texts) {
  await page.evaluate((seconds) => { video.pause(); video.currentTime = seconds; }, seconds);
  await page.waitForFunction(() => !video.seeking && video.readyState >= 2);
  if (texts.length) await page.waitForFunction(() => caption() !== "");
  const found = await page.evaluate(() => ({
    at: video.currentTime, brightness: brightness(), caption: caption(),
  }));
  await page.evaluate(() => { video.play(); });
  await page.waitForFunction((at) => video.currentTime > at, found.at);
  return found;
}

const browser = await chromium.launch({ executablePath: asked.browser, args: QUIET });
try {
  const seen = {};
  for (const each of asked.plays) seen[each.as] = await play(browser, each);
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
