// Converts between source and metadata format with the vendor's own converter, offline.
//   node convert.js <metadata|source> <from> <to>
// Prints, as JSON, every component it recognised: its type and full name.
"use strict";
const { ComponentSet, MetadataConverter } = require("@salesforce/source-deploy-retrieve");

const VERSION = "67.0";

async function main([format, from, to]) {
  const set = ComponentSet.fromSource({ fsPaths: [from] });
  // Without these the converter asks the net which version is the newest.
  set.sourceApiVersion = VERSION;
  set.apiVersion = VERSION;
  await new MetadataConverter().convert(set, format, {
    type: "directory",
    outputDirectory: to,
    genUniqueDir: false,
  });
  const found = [];
  for (const component of set.getSourceComponents()) {
    found.push([component.type.name, component.fullName]);
    for (const child of component.getChildren()) found.push([child.type.name, child.fullName]);
  }
  console.log(JSON.stringify(found));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
