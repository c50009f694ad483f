package grafana

// The part of Grafana's dashboard model that latlab needs, field for field as Grafana 10
// writes it. Maps are used where nothing reads the fields in Go and their order is the alphabet's.
// Source: Grafana's "Dashboard JSON model", schema version 38.

// Dashboard is one dashboard's JSON.
type Dashboard struct {
	UID           string                `json:"uid"`
	Title         string                `json:"title"`
	Description   string                `json:"description"`
	Tags          []string              `json:"tags"`
	SchemaVersion int                   `json:"schemaVersion"`
	Version       int                   `json:"version"`
	Editable      bool                  `json:"editable"`
	GraphTooltip  int                   `json:"graphTooltip"` // 1 = one crosshair in all panels
	Refresh       string                `json:"refresh"`
	Timezone      string                `json:"timezone"`
	Time          map[string]string     `json:"time"`
	Links         []Link                `json:"links"`
	Templating    map[string][]Variable `json:"templating"`
	Panels        []Panel               `json:"panels"`
}

// Link leads to other dashboards, those with the tags.
type Link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Tags        []string `json:"tags"`
	IncludeVars bool     `json:"includeVars"`
	KeepTime    bool     `json:"keepTime"`
}

// Variable is a selection box above the panels.
type Variable struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Label      string         `json:"label"`
	Query      any            `json:"query"` // of a data source its type, else the query in the form of the Prometheus data source
	Datasource *Source        `json:"datasource,omitempty"`
	Definition string         `json:"definition,omitempty"`
	Refresh    int            `json:"refresh"` // 2 = when the time range changes
	Sort       int            `json:"sort,omitempty"`
	Multi      bool           `json:"multi"`
	IncludeAll bool           `json:"includeAll"`
	AllValue   string         `json:"allValue,omitempty"`
	Current    map[string]any `json:"current,omitempty"`
}

// Source is a data source.
type Source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// GridPos is a panel's place; the grid is 24 wide.
type GridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// Panel is a chart, a table, a text, or the title of a row of panels.
type Panel struct {
	ID              int              `json:"id"`
	Type            string           `json:"type"`
	Title           string           `json:"title"`
	Description     string           `json:"description,omitempty"`
	GridPos         GridPos          `json:"gridPos"`
	Datasource      *Source          `json:"datasource,omitempty"`
	Targets         []Target         `json:"targets,omitempty"`
	FieldConfig     *FieldConfig     `json:"fieldConfig,omitempty"`
	Options         map[string]any   `json:"options,omitempty"`
	Transformations []map[string]any `json:"transformations,omitempty"`
	Collapsed       *bool            `json:"collapsed,omitempty"`
	Panels          []Panel          `json:"panels,omitzero"`  // of a row: empty, but there
	Repeat          string           `json:"repeat,omitempty"` // a variable: the panel once for each chosen value
	RepeatDirection string           `json:"repeatDirection,omitempty"`
	MaxPerRow       int              `json:"maxPerRow,omitempty"`
}

// Target is one query of a panel.
type Target struct {
	RefID        string  `json:"refId"`
	Datasource   *Source `json:"datasource"`
	Expr         string  `json:"expr"`
	LegendFormat string  `json:"legendFormat"`
	Format       string  `json:"format"` // time_series, table or heatmap
	Instant      bool    `json:"instant"`
	Range        bool    `json:"range"`
}

// FieldConfig is the format of values.
type FieldConfig struct {
	Defaults  FieldDefaults `json:"defaults"`
	Overrides []Override    `json:"overrides"`
}

// FieldDefaults is the format of all values of a panel.
type FieldDefaults struct {
	Unit       string            `json:"unit,omitempty"`
	Min        *float64          `json:"min,omitempty"`
	Max        *float64          `json:"max,omitempty"`
	NoValue    string            `json:"noValue,omitempty"`
	Color      map[string]string `json:"color,omitempty"`
	Thresholds map[string]any    `json:"thresholds,omitempty"`
	Mappings   []Mapping         `json:"mappings,omitempty"`
	Custom     map[string]any    `json:"custom,omitempty"`
}

// Step is a value at which the colour changes; the first has none.
type Step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// Mapping replaces values by texts.
type Mapping struct {
	Type    string          `json:"type"`
	Options map[string]Word `json:"options"`
}

// Word is the text shown instead of a value.
type Word struct {
	Text  string `json:"text"`
	Color string `json:"color,omitempty"`
	Index int    `json:"index"`
}

// Override is the format of some values.
type Override struct {
	Matcher    map[string]string `json:"matcher"`
	Properties []Property        `json:"properties"`
}

// Property is one setting of an Override.
type Property struct {
	ID    string `json:"id"`
	Value any    `json:"value"`
}
