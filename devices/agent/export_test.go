package agent

// WhyLeft is for the test of its texts.
var WhyLeft = whyLeft
