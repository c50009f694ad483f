package state

// IdentifyBelow is Identify of a recorded tree.
var IdentifyBelow = identifyBelow
