// Package contract holds our Datadog client, and the simulator that stands in
// for Datadog in every other test, against the API description that Datadog
// publishes. Its tests guarantee, for each operation in the list `used`:
//
//   - each request that the client can make is one that the description knows:
//     its path, its query, its authentication, and its body to the last
//     property (TestClient);
//   - each answer that the simulator gives is one that the description knows
//     (TestClient, TestAnswers);
//   - the simulator refuses the bodies that the description refuses, and no
//     others (TestBodies, TestDamagedBodies);
//   - the sites we know are the published ones (TestSites);
//   - no other version changes any of this, if one is named (TestUnchanged).
//
// What deliberately differs stands in those tests' tables with its reason, and
// a difference that is no more fails them as well.
//
// The description is downloaded at a pinned version, as a part of the module in
// which Datadog publishes its Go client; nothing of that module is compiled.
// Where it cannot be had, the tests say SKIPPED TIER. They say it on standard
// output, which `go test` shows of a passing test only when it is run in this
// directory and without a package argument:
//
//	go test                     all but the last
//	go test -against=v2.66.0    the last too, for that version of the module
package contract
