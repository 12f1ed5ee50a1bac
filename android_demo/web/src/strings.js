/** What the page says, in English and German; {name} is filled in. */

const ENGLISH = {
  models: 'Models',
  answer: 'Answer',
  images: 'Images',
  latency: 'Latency',
  photo: 'Photo…',
  camera: 'Camera',
  measure: 'Measure all models',
  check: 'Check against Python',
  loading: 'Loading {name}…',
  latencyNote:
    'On one CPU thread, in WebAssembly: slower than native LiteRT on the same device. Compare the models with each other.',
  sizes: 'Download {packed} · File {size}',
  smaller: '{rate}× smaller download',
  accuracy: 'Accuracy {share}',
  times: 'Median {median} ms · p90 {p90} ms',
  measuring: 'Measuring: {done} of {total}',
  measured:
    'Measured on {runtime}: {runs} runs of each model after a warm-up, in turns. A run of a small model is several inferences, counted as their mean.',
  checking: 'Checking {name}: {done} of {total}',
  checkedExactly: '{name}: equal to Python’s LiteRT bit for bit on {total} images; {right} answers right.',
  checkedClosely: '{name}: equal to Python’s LiteRT to {difference} on {total} images; {right} answers right.',
  checkFailed: '{name}: differs from Python’s LiteRT by {difference} on image {image}; allowed are {tolerance}.',
  checkInputs: '{name}: image {image} becomes another input here than in Python.',
  image: 'Image {number}, {label}',
  preview: 'The image that is classified',
  right: 'Right',
  wrong: 'Wrong: it is {label}',
  licences: 'Runs with LiteRT.js (Apache License 2.0). Nothing leaves this device.',
  demoMissing: 'The demo folder is missing: demo/demo.json cannot be read ({reason}).',
  demoUnreadable: 'demo/demo.json is not JSON ({reason}). Export the demo again.',
  demoSchema: 'demo/demo.json has schema {schema}; this page reads {known}. Export the demo again, or take a newer page.',
  insecure: 'Open this page by https or from localhost: elsewhere the browser cannot check the models.',
  modelMissing: '{name}: its file is missing ({reason}). Export the demo again.',
  damagedTfz: '{name}: its .tfz cannot be unpacked. {reason}',
  wrongHash:
    '{name}: its file is not the one that was exported: its SHA-256 begins with {received}, not {expected}. Export the demo again.',
  noTflite: '{name}: its file is no .tflite. Export the demo again.',
  runtimeMissing: 'LiteRT.js could not be started ({reason}). A newer browser or WebView may help.',
  notLoaded: '{name}: LiteRT.js cannot load it ({reason}). The file is damaged, or has operators that LiteRT.js lacks.',
  wrongType:
    '{name}: its input or output is {type}, which LiteRT.js cannot feed. Convert it with float32 inputs and outputs (--io float32).',
  freeAxis: '{name}: it has a free axis ({shape}), and LiteRT.js needs fixed ones. Convert it with --batch 1.',
  otherShape: '{name}: it has the shape {shape}, and demo.json says otherwise. Export the demo again.',
  imageUnreadable: '{name} cannot be read as an image.',
  cameraDenied: 'The camera may not be used. Allow it in the settings of this app or browser.',
  cameraMissing: 'There is no camera here.',
  cameraFailed: 'The camera could not be started ({reason}).',
  unexpected: 'Something went wrong: {reason}',
};

const GERMAN = {
  models: 'Modelle',
  answer: 'Antwort',
  images: 'Bilder',
  latency: 'Latenz',
  photo: 'Foto…',
  camera: 'Kamera',
  measure: 'Alle Modelle messen',
  check: 'Mit Python vergleichen',
  loading: '{name} wird geladen…',
  latencyNote:
    'Auf einem CPU-Thread, in WebAssembly: langsamer als natives LiteRT auf demselben Gerät. Vergleichen Sie die Modelle untereinander.',
  sizes: 'Download {packed} · Datei {size}',
  smaller: 'Download {rate}× kleiner',
  accuracy: 'Genauigkeit {share}',
  times: 'Median {median} ms · p90 {p90} ms',
  measuring: 'Messung: {done} von {total}',
  measured:
    'Gemessen auf {runtime}: {runs} Läufe je Modell nach dem Aufwärmen, im Wechsel. Ein Lauf eines kleinen Modells sind mehrere Inferenzen, er zählt als ihr Mittel.',
  checking: '{name} wird verglichen: {done} von {total}',
  checkedExactly: '{name}: gleich Pythons LiteRT, Bit für Bit, auf {total} Bildern; {right} Antworten richtig.',
  checkedClosely: '{name}: gleich Pythons LiteRT bis auf {difference} auf {total} Bildern; {right} Antworten richtig.',
  checkFailed: '{name}: weicht bei Bild {image} um {difference} von Pythons LiteRT ab; erlaubt sind {tolerance}.',
  checkInputs: '{name}: Bild {image} wird hier zu einer anderen Eingabe als in Python.',
  image: 'Bild {number}, {label}',
  preview: 'Das Bild, das erkannt wird',
  right: 'Richtig',
  wrong: 'Falsch: es ist {label}',
  licences: 'Läuft mit LiteRT.js (Apache License 2.0). Nichts verlässt dieses Gerät.',
  demoMissing: 'Der Demo-Ordner fehlt: demo/demo.json ist nicht lesbar ({reason}).',
  demoUnreadable: 'demo/demo.json ist kein JSON ({reason}). Exportieren Sie die Demo neu.',
  demoSchema:
    'demo/demo.json hat das Schema {schema}; diese Seite liest {known}. Exportieren Sie die Demo neu oder nehmen Sie eine neuere Seite.',
  insecure: 'Öffnen Sie diese Seite mit https oder von localhost: sonst kann der Browser die Modelle nicht prüfen.',
  modelMissing: '{name}: die Datei fehlt ({reason}). Exportieren Sie die Demo neu.',
  damagedTfz: '{name}: die .tfz lässt sich nicht entpacken. {reason}',
  wrongHash:
    '{name}: die Datei ist nicht die exportierte: ihr SHA-256 beginnt mit {received}, nicht mit {expected}. Exportieren Sie die Demo neu.',
  noTflite: '{name}: die Datei ist keine .tflite. Exportieren Sie die Demo neu.',
  runtimeMissing: 'LiteRT.js startet nicht ({reason}). Ein neuerer Browser oder WebView kann helfen.',
  notLoaded:
    '{name}: LiteRT.js kann das Modell nicht laden ({reason}). Die Datei ist beschädigt oder hat Operatoren, die LiteRT.js fehlen.',
  wrongType:
    '{name}: Eingabe oder Ausgabe ist {type}, was LiteRT.js nicht kann. Konvertieren Sie mit float32 außen (--io float32).',
  freeAxis:
    '{name}: das Modell hat eine freie Achse ({shape}), und LiteRT.js braucht feste. Konvertieren Sie mit --batch 1.',
  otherShape: '{name}: das Modell hat die Form {shape}, und demo.json sagt es anders. Exportieren Sie die Demo neu.',
  imageUnreadable: '{name} ist nicht als Bild lesbar.',
  cameraDenied: 'Die Kamera darf nicht benutzt werden. Erlauben Sie es in den Einstellungen der App oder des Browsers.',
  cameraMissing: 'Hier gibt es keine Kamera.',
  cameraFailed: 'Die Kamera startet nicht ({reason}).',
  unexpected: 'Etwas ist schiefgegangen: {reason}',
};

export const LANGUAGES = {en: ENGLISH, de: GERMAN};

/** The language of the page: the one asked for by ?lang=, else the user's first that the page knows. */
export const language =
  [new URLSearchParams(globalThis.location?.search).get('lang'), ...(globalThis.navigator?.languages ?? [])]
    .map((name) => name?.slice(0, 2).toLowerCase())
    .find((name) => name in LANGUAGES) ?? 'en';

/** A text, with its gaps filled. */
export function text(key, details = {}) {
  return LANGUAGES[language][key].replace(/\{(\w+)\}/g, (_, name) => String(details[name]));
}

/** A number as the language writes it. */
export function number(value, options) {
  return new Intl.NumberFormat(language, options).format(value);
}

/** A size in kB or MB, of 1,000 and 1,000,000 bytes. */
export function bytes(count) {
  const [divisor, unit] = count < 1e6 ? [1e3, 'kB'] : [1e6, 'MB'];
  return `${number(count / divisor, {minimumFractionDigits: 1, maximumFractionDigits: 1})}\u00a0${unit}`;
}

/** A share of 1 as percent. */
export function percent(share, digits = 1) {
  return number(share, {style: 'percent', minimumFractionDigits: digits, maximumFractionDigits: digits});
}

/** Milliseconds, to three significant digits. */
export function milliseconds(value) {
  return number(value, {maximumSignificantDigits: 3});
}
