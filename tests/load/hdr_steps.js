// SPDX-License-Identifier: MIT
// What hdr_steps.c does, as the npm package hdr-histogram-js does it. Argument: the package.
"use strict";
const hdr = require(process.argv[2]);
const lines = require("fs").readFileSync(0, "utf8").split("\n").filter((line) => line !== "");

function record(values) {
  const histogram = hdr.build({
    bitBucketSize: 64,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3600000000000,
    numberOfSignificantValueDigits: 3,
  });
  values.forEach((value) => histogram.recordValue(Number(value)));
  return hdr.encodeIntoCompressedBase64(histogram);
}

function read(text) {
  const histogram = hdr.decodeFromCompressedBase64(text, 64);
  const percentiles = [50, 90, 99, 99.9, 99.99].map((p) => histogram.getValueAtPercentile(p));
  const steps = [];
  for (let index = 0; index < histogram.countsArrayLength; index++) {
    const count = histogram.getCountAtIndex(index);
    if (count > 0) steps.push(`${histogram.valueFromIndex(index)}:${count}`);
  }
  return [histogram.totalCount, histogram.maxValue, ...percentiles, ...steps].join(" ");
}

for (const line of lines) {
  const words = line.split(" ");
  console.log(words[0] === "record" ? record(words.slice(1)) : read(words[1]));
}
