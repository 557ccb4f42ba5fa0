//! The page in a real browser: every control, by pointer and by keyboard alone, at two widths, light and dark.

use crate::driver::{Browser, RIGHT, SPACE, TAB};
use std::process::Stdio;

use crate::served::{Served, interrupt, invnet, link_of};

const WIDE: [u32; 2] = [1280, 900];
const PHONE: [u32; 2] = [390, 844];

/// Red, green and blue of the classes of figures.
const SKY: [u8; 3] = [0x56, 0xb4, 0xe9];

/// Opens a link and waits for its samples.
fn open(browser: &Browser, link: &str) {
    browser.open(link);
    browser.until("Number(document.documentElement.dataset.answered ?? 0) > 0");
    browser.until("document.documentElement.dataset.waiting === undefined && document.querySelectorAll('#controls fieldset').length > 0");
}

/// Pixels of a colour on a canvas: how many, and their mean column and row.
fn pixels(browser: &Browser, canvas: usize, [red, green, blue]: [u8; 3]) -> [f64; 3] {
    let found = browser.value(&format!(
        "(() => {{ const c = document.querySelectorAll('#pictures canvas')[{canvas}]; \
         const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0, x = 0, y = 0; \
         for (let i = 0; i < d.length; i += 4) if (d[i] === {red} && d[i + 1] === {green} && d[i + 2] === {blue}) \
         {{ n += 1; x += i / 4 % c.width; y += Math.floor(i / 4 / c.width); }} return [n, x / n, y / n]; }})()"
    ));
    [0, 1, 2].map(|i| found[i].as_f64().unwrap_or(0.0))
}

/// The place of an element's middle, or of what is `along` and `down` it, from 0 to 1.
fn place(browser: &Browser, selector: &str, along: f64, down: f64) -> [f64; 2] {
    let found = browser.value(&format!(
        "(() => {{ const e = document.querySelector('{selector}'); e.scrollIntoView({{block: 'center'}}); \
         const b = e.getBoundingClientRect(); return [b.left + {along} * b.width, b.top + {down} * b.height]; }})()"
    ));
    [0, 1].map(|i| found[i].as_f64().unwrap())
}

fn sound(browser: &Browser) {
    let width = browser.number("document.documentElement.scrollWidth - window.innerWidth");
    assert!(width <= 0.0, "the page is {width} pixels wider than the window");
    assert_eq!(browser.value("document.getElementById('problem').hidden"), true);
    assert_eq!(browser.errors(), Vec::<String>::new());
}

#[test]
fn figures_by_pointer_and_by_keyboard() {
    let Some(browser) = Browser::start() else { return };
    let server = Served::runs();
    browser.resize(WIDE[0], WIDE[1]);
    open(&browser, &server.link);
    assert_eq!(browser.number("document.querySelectorAll('#pictures canvas').length"), 4.0);
    assert_eq!(browser.text("document.title"), "figures · invnet");
    sound(&browser);
    browser.screenshot("figures-1280");

    // A disc is where it is dragged to, by its centre and by its rim.
    browser.answered(|| browser.click("#counts label:first-of-type"));
    let [from, to] = [(11.0, 11.0), (20.0, 12.0)]
        .map(|(x, y)| place(&browser, "#pictures canvas", (x + 0.5) / 32.0, (y + 0.5) / 32.0));
    open(
        &browser,
        &format!("{}#run=figures&count=1&target=r1:5,cx1:11,cy1:11,r2:4,cx2:23,cy2:24", server.link),
    );
    let before = pixels(&browser, 0, SKY);
    assert!((before[1] - 11.0).abs() < 2.5 && (before[2] - 11.0).abs() < 2.5, "{before:?}");
    browser.answered(|| browser.drag(from, to));
    let after = pixels(&browser, 0, SKY);
    assert!((after[1] - 20.0).abs() < 2.5 && (after[2] - 12.0).abs() < 2.5, "{before:?}, {after:?}");
    assert!((browser.number("Number(document.getElementById('number-cx1').value)") - 20.0).abs() < 0.5);
    let rim =
        [0.0, 4.0].map(|more| place(&browser, "#pictures canvas", (20.5 + 5.0 + more) / 32.0, 12.5 / 32.0));
    browser.answered(|| browser.drag(rim[0], rim[1]));
    assert!((browser.number("Number(document.getElementById('number-r1').value)") - 9.0).abs() < 0.5);
    assert!(pixels(&browser, 0, SKY)[0] > 1.5 * after[0]);
    assert_eq!(
        browser
            .value("document.querySelector('#number-r1').closest('.property').querySelector('.warn').hidden"),
        false
    );

    // The same by keys: a handle, a slider, the count, a draw.
    let x = "Number(document.getElementById('number-cx1').value)";
    let before = browser.number(x);
    browser.value("document.querySelector('[data-handle=centre1]').focus()");
    browser.answered(|| browser.keys(RIGHT));
    // The boxes show five digits.
    assert!((browser.number(x) - before - 1.0).abs() < 5e-3);
    assert_eq!(browser.text("document.activeElement.dataset.handle"), "centre1", "the focus stays");
    let before = browser.number("Number(document.getElementById('slide-r2').value)");
    browser.value("document.getElementById('slide-r2').focus()");
    browser.answered(|| browser.keys(RIGHT));
    assert!(browser.number("Number(document.getElementById('slide-r2').value)") > before);
    browser.value("document.querySelector('[name=count]:checked').focus()");
    browser.answered(|| browser.keys(RIGHT));
    assert_eq!(browser.number("document.querySelectorAll('#pictures canvas').length"), 4.0);
    let seed = browser.number("Number(document.getElementById('seed').value)");
    browser.answered(|| browser.keys("n"));
    assert_eq!(browser.number("Number(document.getElementById('seed').value)"), seed + 1.0);
    // Closed on the target, by the space bar: off, and on again.
    let closed = "document.getElementById('closed')";
    assert_eq!(browser.value(&format!("{closed}.checked")), true);
    browser.value(&format!("{closed}.focus()"));
    browser.answered(|| browser.keys(SPACE));
    assert!(browser.text("document.getElementById('command').textContent").contains("--one-shot"));
    browser.answered(|| browser.keys(SPACE));
    assert!(!browser.text("document.getElementById('command').textContent").contains("--one-shot"));
    // Whoever comes by tabs alone gets to everything, in the order of the page.
    browser.value("document.activeElement.blur()");
    let mut met = Vec::new();
    for _ in 0..60 {
        browser.keys(TAB);
        met.push(browser.text("(document.activeElement.id || document.activeElement.dataset.handle || document.activeElement.className || document.activeElement.tagName).toString()"));
    }
    for id in [
        "run",
        "show-training",
        "theme",
        "draw",
        "seed",
        "closed",
        "centre1",
        "rim2",
        "slide-cx2",
        "number-r1",
        "take-csv",
        "copy-link",
    ] {
        assert!(met.iter().any(|m| m == id), "no way to {id} by tabs: {met:?}");
    }

    // One sample, enlarged.
    browser.click("#pictures figcaption button");
    assert_eq!(browser.value("document.getElementById('enlarged').open"), true);
    browser.screenshot("figures-enlarged");
    browser.keys("\u{e00c}");
    assert_eq!(browser.value("document.getElementById('enlarged').open"), false);

    // Home: a file, and a link that brings back the same picture.
    browser.click("#take-csv");
    assert!(browser.downloaded("figures-samples.csv").starts_with(b"sample,seed,asked_r1"));
    let image = "document.querySelectorAll('#pictures canvas')[2].toDataURL()";
    let (picture, link) = (browser.text(image), browser.text("document.getElementById('link').textContent"));
    open(&browser, &link);
    assert_eq!(browser.text(image), picture);
    let command = browser.text("document.getElementById('command').textContent");
    assert!(command.starts_with("invnet generate --run ") && command.contains("--count 4"), "{command}");

    // What the server refuses is said.
    open(&browser, &format!("{}#run=figures&target=r1:15.9,cx1:15", server.link));
    browser.value("(() => { const b = document.getElementById('number-r1'); b.value = 900; b.dispatchEvent(new Event('input')); })()");
    browser.until("!document.getElementById('problem').hidden");
    assert!(
        browser.text("document.getElementById('problem').textContent").contains("r1 = 900 is impossible")
    );

    // Training, looked at.
    browser.click("#show-training");
    browser.until("document.querySelector('#history img')?.naturalWidth > 0");
    assert!(browser.text("document.getElementById('progress').textContent").contains("complete"));
    assert!(browser.number("document.querySelectorAll('#losses svg').length") >= 4.0);
    browser.screenshot("training-1280");
    browser.resize(PHONE[0], PHONE[1]);
    browser.screenshot("training-390");
    assert!(browser.number("document.documentElement.scrollWidth") <= 390.0);
    // The refusals come when they come, and the browser notes them.
    let refused = |e: &String| e.contains("/api/sample") && e.contains("400 (Bad Request)");
    let errors = browser.errors();
    assert!(errors.iter().all(refused), "{errors:?}");
}

#[test]
fn phases_narrow_and_dark() {
    let Some(browser) = Browser::start() else { return };
    let server = Served::runs();
    browser.resize(PHONE[0], PHONE[1]);
    browser.prefer("dark");
    open(&browser, &format!("{}#run=phases&count=4", server.link));
    let brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)";
    assert!(browser.number(brightness) < 150.0, "dark where the system is");
    browser.screenshot("phases-390-dark");
    sound(&browser);
    browser.click("#theme");
    assert!(browser.number(brightness) > 650.0, "light if asked");
    browser.screenshot("phases-390");

    // A curve: by level and coarseness, by hand, by numbers.
    let asked =
        |name: &str| browser.number(&format!("Number(document.getElementById('number-{name}').value)"));
    let slide = |id: &str, value: f64| {
        browser.answered(|| browser.value(&format!(
            "(() => {{ const s = document.getElementById('slide-{id}'); s.value = {value}; s.dispatchEvent(new Event('input')); }})()"
        )));
    };
    let range = |end: &str| {
        browser.number(&format!("Number(document.getElementById('slide-correlation-coarseness').{end})"))
    };
    let end = |end: &str| {
        browser.number(&format!("Number(document.getElementById('slide-correlation-level').{end})"))
    };
    let level = (50.0 * (end("min") + end("max"))).round() / 100.0;
    slide("correlation-level", level);
    assert!(
        (asked("s0") - level).abs() < 1e-6 && (asked("p1") - level).abs() < 1e-6,
        "p1 is the beginning of the curve"
    );
    slide("correlation-coarseness", range("min"));
    let fine = asked("s2");
    slide("correlation-coarseness", range("max"));
    assert!(asked("s2") > fine && (asked("s0") - level).abs() < 1e-6, "coarser falls later");
    let before = asked("s4");
    let curve = |along: f64, down: f64| place(&browser, ".curve .plot", along, down);
    browser.answered(|| browser.drag(curve(0.45, 0.3), curve(0.65, 0.3)));
    assert!((asked("s4") - before).abs() > 1e-3, "drawn");
    let measured = "document.querySelectorAll('#results .measured').length";
    assert!(browser.number(measured) >= 4.0);

    // An image of one's own: three eighths are bright.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.png");
    let mut encoder = png::Encoder::new(std::fs::File::create(&path).unwrap(), 64, 64);
    encoder.set_color(png::ColorType::Grayscale);
    let grey: Vec<u8> = (0..4096).map(|i| if i % 64 < 24 { 220 } else { 40 }).collect();
    encoder.write_header().unwrap().write_image_data(&grey).unwrap();
    browser.answered(|| browser.give("#image", &path));
    assert!((asked("p1") - 0.375).abs() < 1e-6, "{}", asked("p1"));
    assert_eq!(browser.number("document.querySelectorAll('#results .chart .reference').length"), 1.0);
    browser.answered(|| browser.click("#inverted"));
    assert!((asked("p1") - 0.625).abs() < 1e-6);
    // The same file, dropped on the page from elsewhere.
    browser.answered(|| browser.value(
        "(() => { const data = new DataTransfer(); data.items.add(document.getElementById('image').files[0]); \
         document.getElementById('drop').dispatchEvent(new DragEvent('drop', {dataTransfer: data, cancelable: true})); })()"
    ));
    assert_eq!(browser.value("document.getElementById('drop').classList.contains('over')"), false);

    // Tiles, and larger than trained.
    let side = "document.querySelector('#pictures canvas').width";
    assert_eq!(browser.number(side), 32.0);
    browser.click("label:has(#tiled)");
    assert_eq!(browser.number(side), 96.0);
    browser.click("label:has(#tiled)");
    browser.answered(|| browser.value(
        "(() => { const s = document.getElementById('size'); s.value = '64x64'; s.dispatchEvent(new Event('change')); })()"
    ));
    assert_eq!(browser.number(side), 64.0);
    sound(&browser);
    browser.resize(WIDE[0], WIDE[1]);
    browser.screenshot("phases-1280");
    sound(&browser);
    // Another run of the same server.
    browser.answered(|| browser.value(
        "(() => { const s = document.getElementById('run'); s.value = 'figures'; s.dispatchEvent(new Event('change')); })()"
    ));
    assert_eq!(browser.number(side), 32.0);
    browser.click("#theme");
    browser.screenshot("figures-1280-dark");
    sound(&browser);
}

#[test]
fn shares_move_together_and_tolerances_are_ones_own() {
    let Some(browser) = Browser::start() else { return };
    let server = Served::start(&["--run", crate::served::runs()[2].to_str().unwrap()]);
    browser.resize(WIDE[0], WIDE[1]);
    open(&browser, &format!("{}#count=1", server.link));
    sound(&browser);
    let asked =
        |name: &str| browser.number(&format!("Number(document.getElementById('number-{name}').value)"));
    let put = |id: &str, value: &str| {
        browser.answered(|| browser.value(&format!(
            "(() => {{ const s = document.getElementById('{id}'); s.value = '{value}'; s.dispatchEvent(new Event('input')); }})()"
        )));
    };
    for (id, share) in [("slide-f1", 0.3), ("number-f2", 0.45)] {
        put(id, &share.to_string());
        let (f1, f2) = (asked("f1"), asked("f2"));
        assert!((f1 + f2 - 1.0).abs() < 1e-4, "{f1} + {f2}");
        assert!((if id == "slide-f1" { f1 } else { f2 } - share).abs() < 1e-6);
    }
    assert_eq!(browser.number("document.querySelectorAll('#results .strip').length"), 4.0);
    browser.screenshot("shares-1280");

    // Tolerances: by keys, in the table, in the command and in the link.
    let tolerance = || browser.text("document.querySelector('#results tbody td:nth-of-type(4)').textContent");
    let usual = tolerance();
    browser.value("document.querySelector('.tolerances summary').focus()");
    browser.keys(SPACE);
    browser.keys(TAB);
    assert_eq!(browser.text("document.activeElement.id"), "within-fractions");
    browser.answered(|| browser.keys("0.9"));
    assert_eq!((tolerance().as_str(), usual.as_str() == "0.9"), ("0.9", false));
    assert!(
        browser.text("document.querySelector('#results tbody td:last-of-type').className").contains("pass")
    );
    let command = browser.text("document.getElementById('command').textContent");
    assert!(command.contains("--within f1=0.9,f2=0.9"), "{command}");
    browser.screenshot("tolerances-1280");
    put("within-fractions", "2%");
    let link = browser.text("document.getElementById('link').textContent");
    assert!(link.contains("within="), "{link}");
    open(&browser, &link);
    assert_eq!(browser.text("document.getElementById('within-fractions').value"), "2%");
    assert_eq!(tolerance(), "0.011");
    // A word is no tolerance: it is marked, and nothing is asked.
    browser.value("(() => { const s = document.getElementById('within-fractions'); s.value = 'wide'; s.dispatchEvent(new Event('input')); })()");
    assert_eq!(
        browser.text("document.getElementById('within-fractions').getAttribute('aria-invalid')"),
        "true"
    );
    assert_eq!(tolerance(), "0.011");
    browser.resize(PHONE[0], PHONE[1]);
    browser.screenshot("tolerances-390");
    sound(&browser);
}

#[test]
fn what_takes_long_makes_way_for_what_is_asked_next() {
    let Some(browser) = Browser::start() else { return };
    let server = Served::runs();
    browser.resize(WIDE[0], WIDE[1]);
    // Nets that have learned nothing are closed for long, at a large size above all.
    browser.open(&format!("{}#run=phases&count=16&size=256x256&within=correlation=0.001%25", server.link));
    browser.until("Number(document.documentElement.dataset.answered ?? 0) > 0");
    browser.until(
        "[...document.querySelectorAll('#pictures .score')].some((e) => e.textContent.includes('closing'))",
    );
    browser.screenshot("phases-closing");
    browser.value("(() => { const s = document.getElementById('size'); s.value = '32x32'; s.dispatchEvent(new Event('change')); })()");
    browser.until("document.querySelector('#pictures canvas').width === 32");
    // What was called off is no error.
    sound(&browser);
}

#[test]
fn a_run_is_looked_at_while_it_trains() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let words = "train circles-quick --out=live --serve=0 --device=cpu --threads=1 --iterations=1000000 --set=size=16 \
                 --set=width=4 --set=batch=8 --set=latent=8 --set=images=100 --set=log_every=2 --set=sample_every=10 \
                 --set=checkpoint_every=10 -q";
    let mut training = invnet(&[]);
    training.args(words.split_whitespace()).current_dir(folder.path()).stdout(Stdio::piped());
    let mut training = training.spawn().unwrap();
    let own = link_of(&mut training);
    // On its own page, and on that of a server that knows of it by its folder alone.
    let progress = "document.getElementById('progress').textContent";
    let iteration = || browser.number(&format!("Number(/iteration (\\d+)/.exec({progress})?.[1] ?? 0)"));
    let server = Served::start(&["--run", folder.path().join("live").to_str().unwrap()]);
    for (i, link) in [own, server.link.clone()].iter().enumerate() {
        browser.resize(WIDE[0], WIDE[1]);
        open(&browser, link);
        browser.answered(|| browser.keys("n"));
        browser.click("#show-training");
        browser.until(&format!("{progress}.includes('training, ') && {progress}.includes(' left')"));
        browser.until("document.querySelector('#history img')?.naturalWidth > 0");
        let (before, pictures) =
            (iteration(), browser.number("Number(document.querySelector('#history input').max)"));
        browser.until(&format!("Number(/iteration (\\d+)/.exec({progress})[1]) > {before}"));
        browser.until(&format!("Number(document.querySelector('#history input').max) > {pictures}"));
        assert!(browser.number("document.querySelectorAll('#losses svg').length") >= 4.0);
        browser.screenshot(["training-itself-1280", "training-beside-1280"][i]);
        sound(&browser);
    }
    // Nothing on it stops a run; a run that was stopped is said to stand still.
    let texts =
        browser.text("[...document.querySelectorAll('#training button')].map((b) => b.textContent).join()");
    assert_eq!(texts, "");
    interrupt(&training);
    assert_eq!(training.wait().unwrap().code(), Some(130));
    browser.until(&format!("{progress}.includes('stands still')"));
    sound(&browser);
}

#[test]
fn a_token_in_the_link_opens_the_page_and_leaves_it() {
    let Some(browser) = Browser::start() else { return };
    let run = crate::served::runs()[0].display().to_string();
    let server = Served::start(&["--token=secret", "--run", &run]);
    open(&browser, &server.link);
    assert!(!browser.text("document.getElementById('link').textContent").contains("secret"));
    sound(&browser);
    browser.value("sessionStorage.clear()");
    browser.open(server.link.split('#').next().unwrap());
    browser.until("!document.getElementById('problem').hidden");
    assert!(browser.text("document.getElementById('problem').textContent").contains("token"));
}

/// The figures of BENCHMARKS.md: `cargo test --release --test page -- --ignored --nocapture slider`, with
/// INVNET_RUN a run of 64 x 64.
#[test]
#[ignore = "measures"]
fn first_picture_and_slider() {
    let Some(browser) = Browser::start() else { return };
    let run = std::env::var("INVNET_RUN").expect("INVNET_RUN names a run");
    let server = Served::start(&["--run", &run]);
    browser.resize(WIDE[0], WIDE[1]);
    for count in [1, 4, 16] {
        open(&browser, &format!("{}#count={count}", server.link));
        let first =
            browser.number("performance.getEntriesByType('mark').find((m) => m.name === 'first').startTime");
        let times = browser.command_async(
            "const done = arguments[0]; (async () => { const s = document.querySelector('#controls input[type=range]'); \
             const times = []; for (let i = 0; i < 200; i += 1) { const n = document.documentElement.dataset.answered; \
             s.value = Number(s.min) + (s.max - s.min) * (0.3 + 0.4 * Math.abs(Math.sin(i))); const t = performance.now(); \
             s.dispatchEvent(new Event('input')); \
             while (document.documentElement.dataset.answered === n) await new Promise((r) => requestAnimationFrame(r)); \
             times.push(performance.now() - t); } done(times.sort((a, b) => a - b)); })()",
        );
        let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize];
        println!(
            "{count} samples: first picture after {first:.0} ms; a slider's picture after {:.1} ms median, {:.1} ms p95",
            at(0.5),
            at(0.95)
        );
    }
}
