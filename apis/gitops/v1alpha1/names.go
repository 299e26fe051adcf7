package v1alpha1

// Annotations on resources that an Application manages.
const (
	// AnnotationTrackingID binds an object to its Application: <app>:<group>/<kind>:<namespace>/<name>.
	AnnotationTrackingID = "argocd.argoproj.io/tracking-id"
	// AnnotationInstallationID tells installations apart that share a cluster.
	AnnotationInstallationID = "argocd.argoproj.io/installation-id"
	// AnnotationSyncWave is an integer; lower waves are applied first.
	AnnotationSyncWave = "argocd.argoproj.io/sync-wave"
	// AnnotationHook is a comma-separated list of hook types.
	AnnotationHook = "argocd.argoproj.io/hook"
	// AnnotationHookDeletePolicy is a comma-separated list of HookSucceeded, HookFailed and BeforeHookCreation.
	AnnotationHookDeletePolicy = "argocd.argoproj.io/hook-delete-policy"
	// AnnotationSyncOptions is a comma-separated list of sync options for one object.
	AnnotationSyncOptions = "argocd.argoproj.io/sync-options"
	// AnnotationCompareOptions is a comma-separated list, on an object or on the Application itself.
	AnnotationCompareOptions = "argocd.argoproj.io/compare-options"
	// AnnotationIgnoreHealthCheck leaves an object out of the health of its Application.
	AnnotationIgnoreHealthCheck = "argocd.argoproj.io/ignore-healthcheck"
	// AnnotationLinkPrefix begins annotations of objects whose values are links to show with the Application, as "URL" or "title | URL".
	AnnotationLinkPrefix = "link.argocd.argoproj.io/"
	// AnnotationIgnoreDefaultLinks leaves out the links that follow from what an object is.
	AnnotationIgnoreDefaultLinks = "argocd.argoproj.io/ignore-default-links"
	// AnnotationIgnoreRestartPolicy judges a pod by its restarts even if its restartPolicy is Always.
	AnnotationIgnoreRestartPolicy = "argocd.argoproj.io/ignore-restart-policy"
	// AnnotationIgnoreResourceUpdates keeps changes of an object from refreshing its Application.
	AnnotationIgnoreResourceUpdates = "argocd.argoproj.io/ignore-resource-updates"

	// AnnotationHelmHook, AnnotationHelmHookWeight, AnnotationHelmHookDeletePolicy and AnnotationHelmResourcePolicy are Helm's own.
	AnnotationHelmHook             = "helm.sh/hook"
	AnnotationHelmHookWeight       = "helm.sh/hook-weight"
	AnnotationHelmHookDeletePolicy = "helm.sh/hook-delete-policy"
	AnnotationHelmResourcePolicy   = "helm.sh/resource-policy"

	// AnnotationLastApplied is what kubectl apply leaves on objects.
	AnnotationLastApplied = "kubectl.kubernetes.io/last-applied-configuration"
)

// Annotations on Applications, ApplicationSets and the Secrets that configure them.
const (
	// AnnotationRefresh asks for a comparison, RefreshNormal or RefreshHard; the controller removes it once it is served.
	AnnotationRefresh = "argocd.argoproj.io/refresh"
	// AnnotationHydrate asks the source hydrator for a run.
	AnnotationHydrate = "argocd.argoproj.io/hydrate"
	// AnnotationManifestGeneratePaths is a list of paths, separated by semicolons, whose changes concern the Application.
	AnnotationManifestGeneratePaths = "argocd.argoproj.io/manifest-generate-paths"
	// AnnotationSkipReconcile freezes an Application or a cluster as long as it is "true".
	AnnotationSkipReconcile = "argocd.argoproj.io/skip-reconcile"
	// AnnotationDeletionApproved is the RFC 3339 moment at which deletions that ask for confirmation were approved.
	AnnotationDeletionApproved = "argocd.argoproj.io/deletion-approved"
	// AnnotationApplicationSetRefresh makes an ApplicationSet generate again as soon as it is "true".
	AnnotationApplicationSetRefresh = "argocd.argoproj.io/application-set-refresh"
	// AnnotationClientSideMigrationManager names the field manager whose fields a server-side apply takes over.
	AnnotationClientSideMigrationManager = "argocd.argoproj.io/client-side-apply-migration-manager"
	// AnnotationManagedBy marks Secrets that a tool and not a user has written.
	AnnotationManagedBy = "managed-by"
	// AnnotationNotifiedPrefix starts the annotations in which a notification service keeps what it has sent.
	AnnotationNotifiedPrefix = "notified.notifications.argoproj.io"

	// RefreshNormal uses cached renderings, RefreshHard does not.
	RefreshNormal = "normal"
	RefreshHard   = "hard"
)

// Labels.
const (
	// LabelInstance carries the name of the Application where tracking is by label.
	LabelInstance = "app.kubernetes.io/instance"
	// LabelSecretType tells what a Secret configures; its values are the SecretType constants.
	LabelSecretType = "argocd.argoproj.io/secret-type"

	SecretTypeCluster         = "cluster"
	SecretTypeRepository      = "repository"
	SecretTypeRepoCreds       = "repo-creds"
	SecretTypeRepositoryWrite = "repository-write"
	SecretTypeRepoWriteCreds  = "repo-write-creds"
	SecretTypeSCMCreds        = "scm-creds"
)

// Finalizers.
const (
	// FinalizerResources deletes an Application's resources before the Application itself, in the foreground; on an AppProject it keeps
	// the project for as long as an Application uses it.
	FinalizerResources           = "resources-finalizer.argocd.argoproj.io"
	FinalizerResourcesForeground = FinalizerResources + "/foreground"
	FinalizerResourcesBackground = FinalizerResources + "/background"
	FinalizerPreDelete           = "pre-delete-finalizer.argocd.argoproj.io"
	FinalizerPreDeleteCleanup    = FinalizerPreDelete + "/cleanup"
	FinalizerPostDelete          = "post-delete-finalizer.argocd.argoproj.io"
	FinalizerPostDeleteCleanup   = FinalizerPostDelete + "/cleanup"
	// FinalizerHook keeps a hook object until its outcome is recorded.
	FinalizerHook = "argocd.argoproj.io/hook-finalizer"
)

// Names that exist without being written anywhere.
const (
	// DefaultProject is the project of an Application that names none.
	DefaultProject = "default"
	// InClusterName and InClusterServer name the cluster in which the controller runs.
	InClusterName   = "in-cluster"
	InClusterServer = "https://kubernetes.default.svc"
	// FieldManager is the field manager of every server-side apply.
	FieldManager = "argocd-controller"
)

// Names and data keys of the ConfigMaps and Secrets in the control namespace.
const (
	ConfigMapSettings       = "argocd-cm"
	ConfigMapKnownHosts     = "argocd-ssh-known-hosts-cm"
	ConfigMapKeyKnownHosts  = "ssh_known_hosts"
	ConfigMapTLSCerts       = "argocd-tls-certs-cm"
	ConfigMapGPGKeys        = "argocd-gpg-keys-cm"
	SecretWebhooks          = "argocd-secret"
	DefaultControlNamespace = "argocd"
)
