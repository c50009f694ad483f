package agent

// WhyLeft is exported to test its texts.
var WhyLeft = whyLeft
