package refit

// The documents' words. Each type is a string, so that a value compares with a literal too; later versions may add values.

// CheckState is the verdict of a [Check], or what prevented it.
type CheckState = string

// The verdicts, with HasUpdate.
const (
	CheckUpToDate        CheckState = "up_to_date"       // false
	CheckUpdateAvailable CheckState = "update_available" // true
	CheckRecreateNeeded  CheckState = "recreate_needed"  // true: the image is current, and a container runs another one
	CheckNotLocal        CheckState = "not_local"        // true when the registry has it
	CheckPinned          CheckState = "pinned"           // false, or nil when its tag has moved
	CheckPlatformGone    CheckState = "platform_gone"    // nil, and so are all below
	CheckTagGone         CheckState = "tag_gone"
	CheckLocalOnly       CheckState = "local_only"
	CheckNotInRegistry   CheckState = "not_in_registry"
)

// What prevented a verdict.
const (
	CheckUnauthorized     CheckState = "unauthorized"
	CheckDenied           CheckState = "denied"
	CheckRateLimited      CheckState = "rate_limited"
	CheckUnreachable      CheckState = "unreachable"
	CheckRegistryError    CheckState = "registry_error"
	CheckBadResponse      CheckState = "bad_response"
	CheckInvalidReference CheckState = "invalid_reference"
	CheckEngineError      CheckState = "engine_error"
	CheckCancelled        CheckState = "cancelled"
)

// ContainerState is what a container does.
type ContainerState = string

// The states of a container.
const (
	StateCreated    ContainerState = "created"
	StateRunning    ContainerState = "running"
	StatePaused     ContainerState = "paused"
	StateRestarting ContainerState = "restarting"
	StateRemoving   ContainerState = "removing"
	StateExited     ContainerState = "exited"
	StateDead       ContainerState = "dead"
)

// ContainerMatch is why a container is listed for an image.
type ContainerMatch = string

// The matches.
const (
	MatchReference ContainerMatch = "reference"  // it was created from this reference: an update recreates it
	MatchSameImage ContainerMatch = "same_image" // it was created from another reference of the same image
)

// PlannedAction is what an update would do to a container.
type PlannedAction = string

// The actions of a plan.
const (
	ActionRecreateAndStart PlannedAction = "recreate_and_start"
	ActionRecreate         PlannedAction = "recreate"
	ActionUpToDate         PlannedAction = "up_to_date"
	ActionOtherReference   PlannedAction = "other_reference"
	ActionRefused          PlannedAction = "refused"
)

// RecreationResult is what became of a container: see [Recreation].
type RecreationResult = string

// The results of a recreation.
const (
	ResultRecreated      RecreationResult = "recreated"
	ResultRolledBack     RecreationResult = "rolled_back"
	ResultRollbackFailed RecreationResult = "rollback_failed"
	ResultRefused        RecreationResult = "refused"
	ResultFailed         RecreationResult = "failed"
	ResultNotAttempted   RecreationResult = "not_attempted"
)

// TagResult is what became of the tag in an update.
type TagResult = string

// The results for a tag.
const (
	TagMoved     TagResult = "moved"
	TagRestored  TagResult = "restored"
	TagUnchanged TagResult = "unchanged"
)

// RecoveryAction is what a recovery did: see [Recovered].
type RecoveryAction = string

// The actions of a recovery.
const (
	RecoveryFinished    RecoveryAction = "finished"
	RecoveryUndone      RecoveryAction = "undone"
	RecoveryRemovedOld  RecoveryAction = "removed_old"
	RecoveryBusy        RecoveryAction = "busy"
	RecoveryForeign     RecoveryAction = "foreign"
	RecoveryWouldFinish RecoveryAction = "would_finish"
	RecoveryWouldUndo   RecoveryAction = "would_undo"
	// RecoveryRemovedHelper is of a container through which a volume was read.
	RecoveryRemovedHelper RecoveryAction = "removed_helper"
)

// Phase is what a call does now: see [Progress].
type Phase = string

// The phases.
const (
	PhaseChecking    Phase = "checking"
	PhaseResolving   Phase = "resolving"
	PhaseDownloading Phase = "downloading"
	PhaseExtracting  Phase = "extracting"
	PhaseVerifying   Phase = "verifying"
	PhaseCreating    Phase = "creating"
	PhaseHook        Phase = "hook"
	PhaseStopping    Phase = "stopping"
	PhaseBackingUp   Phase = "backing_up"
	PhaseRenaming    Phase = "renaming"
	PhaseStarting    Phase = "starting"
	PhaseWaiting     Phase = "waiting"
	PhasePausing     Phase = "pausing"
	PhaseRemoving    Phase = "removing"
	PhaseUpdating    Phase = "updating" // a service's tasks are replaced
	PhaseRollingBack Phase = "rolling_back"
	PhaseRestoring   Phase = "restoring" // volumes, in a rollback
	PhaseDone        Phase = "done"
)

// LayerState is what is done to a layer.
type LayerState = string

// The states of a layer.
const (
	LayerPending     LayerState = "pending"
	LayerDownloading LayerState = "downloading"
	LayerExtracting  LayerState = "extracting"
	LayerVerifying   LayerState = "verifying"
	LayerComplete    LayerState = "complete"
)

// HistoryKind is which call a [HistoryEntry] is of.
type HistoryKind = string

// The kinds of entries.
const (
	HistoryPull          HistoryKind = "pull"
	HistoryUpdate        HistoryKind = "update"
	HistoryRecreate      HistoryKind = "recreate"
	HistoryRollback      HistoryKind = "rollback"
	HistoryRemoveOld     HistoryKind = "remove_old"
	HistoryBackup        HistoryKind = "backup"
	HistoryRestore       HistoryKind = "restore"
	HistoryServiceUpdate HistoryKind = "service_update"
)

// HistoryResult is how such a call ended.
type HistoryResult = string

// The results of entries.
const (
	HistoryDone           HistoryResult = "done"
	HistoryUnchanged      HistoryResult = "unchanged"
	HistoryRolledBack     HistoryResult = "rolled_back"
	HistoryRollbackFailed HistoryResult = "rollback_failed"
	HistoryFailed         HistoryResult = "failed"
	HistoryCancelled      HistoryResult = "cancelled"
)

// ServiceResult is how an update of a service ended: see [ServiceUpdate].
type ServiceResult = string

// The results of an update of a service.
const (
	ServiceResultUpdated          ServiceResult = "updated"
	ServiceResultUnchanged        ServiceResult = "unchanged" // nothing was sent
	ServiceResultRolledBack       ServiceResult = "rolled_back"
	ServiceResultRollbackFailed   ServiceResult = "rollback_failed"
	ServiceResultUpdating         ServiceResult = "updating"          // the call has ended, and the engine goes on
	ServiceResultRollingBack      ServiceResult = "rolling_back"      // the call has ended, and the engine goes on with the rollback
	ServiceResultChangedMeanwhile ServiceResult = "changed_meanwhile" // somebody else has updated or removed the service since
	ServiceResultFailed           ServiceResult = "failed"            // the service is as before
)

// The engine's words for the last update of a service.
const (
	ServiceUpdating          = "updating"
	ServicePaused            = "paused"
	ServiceCompleted         = "completed"
	ServiceRollbackStarted   = "rollback_started"
	ServiceRollbackPaused    = "rollback_paused"
	ServiceRollbackCompleted = "rollback_completed"
)

// FileType is what a file of a volume is.
type FileType = string

// The types of files.
const (
	FileRegular   FileType = "file"
	FileDirectory FileType = "directory"
	FileSymlink   FileType = "symlink"
	FileOther     FileType = "other"
)
