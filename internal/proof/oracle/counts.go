package oracle

import "fmt"

// Counts are the numbers that must be zero.
type Counts struct {
	AckedLost     int64 `json:"acked_lost"`     // acknowledged commits that are gone
	TornTxns      int64 `json:"torn_txns"`      // commits of which a part is there
	Holes         int64 `json:"holes"`          // commits that are missing though a later one is there
	VanishedReads int64 `json:"vanished_reads"` // commits that a reader saw and that are gone
	WrongData     int64 `json:"wrong_data"`     // values that nobody wrote there
	EndedShown    int64 `json:"ended_shown"`    // entries that were there after their end
	EndsCameBack  int64 `json:"ends_came_back"` // times that the time of a database was before what it had been
	Panics        int64 `json:"panics"`
}

// Add adds o to c.
func (c *Counts) Add(o Counts) {
	c.AckedLost += o.AckedLost
	c.TornTxns += o.TornTxns
	c.Holes += o.Holes
	c.VanishedReads += o.VanishedReads
	c.WrongData += o.WrongData
	c.EndedShown += o.EndedShown
	c.EndsCameBack += o.EndsCameBack
	c.Panics += o.Panics
}

// Zero reports whether nothing went wrong.
func (c *Counts) Zero() bool { return *c == Counts{} }

func (c Counts) String() string {
	return fmt.Sprintf("acked_lost=%d torn_txns=%d holes=%d vanished_reads=%d wrong_data=%d panics=%d "+
		"ended_shown=%d ends_came_back=%d",
		c.AckedLost, c.TornTxns, c.Holes, c.VanishedReads, c.WrongData, c.Panics,
		c.EndedShown, c.EndsCameBack)
}
