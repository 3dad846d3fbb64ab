// The projects whose CustomResourceDefinitions the tests of the chart install. Nothing of them is built.
module stillhouse/test/kubernetes/definitions

go 1.25.0

require (
	github.com/kubeflow/trainer/v2 v2.2.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/kueue v0.17.0
)
