// Prints the Metadata API's schema as npm jsforce ships it: per type its elements and what it extends.
"use strict";
const { ApiSchemas } = require("jsforce/lib/api/metadata/schema");

console.log(JSON.stringify(ApiSchemas));
